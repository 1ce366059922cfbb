//! How a run stands when its plan moves no more, and its traffic in figures: what goes on the tape beside
//! what observer and journal give.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::load::{Log, Outcome};
use super::read_back::ReadBack;
use super::record::{Health, Record};
use super::tape::Traffic;
use super::wire;

const LAP: Duration = Duration::from_millis(60);
const QUOTED: usize = 5;

/// Whether each host lets traffic in.
pub async fn ready(cluster: &Cluster, patience: Duration) -> BTreeMap<String, bool> {
    let mut ready = BTreeMap::new();
    for host in &cluster.hosts {
        let answer = wire::get(&host.ports.probes.address(), "/ready", patience).await;
        let says = matches!(answer, Ok((StatusCode::OK, _)));
        ready.insert(host.name.clone(), says);
    }
    ready
}

/// Waits until every host lets traffic in to a database that was just seen healthy; the moment at which that
/// held, or patience had ended.
pub async fn settled(
    cluster: &Cluster,
    seen: impl Fn() -> Record,
    patience: Duration,
) -> (u64, BTreeMap<String, bool>) {
    let end = Instant::now() + patience;
    loop {
        let ready = ready(cluster, patience).await;
        let at_ms = cluster.tools.clock.now_ms();
        let record = seen();
        let healthy = |name: &String| {
            let health = record.health_at(name, at_ms);
            matches!(health, Some(Health::Healthy { .. }))
        };
        let well = ready.iter().all(|(name, ready)| *ready && healthy(name));
        if well || Instant::now() >= end {
            return (at_ms, ready);
        }
        tokio::time::sleep(LAP).await;
    }
}

impl Traffic {
    pub fn of(log: &Log, back: &ReadBack) -> Self {
        let failed = log.sent.iter();
        let failed = failed.filter(|sent| matches!(sent.outcome, Outcome::Failed { .. }));
        let failed: Vec<String> = failed.map(ToString::to_string).collect();
        Self {
            sent: log.sent.len(),
            failed: failed.len(),
            quoted: failed.into_iter().take(QUOTED).collect(),
            acknowledged: log.acknowledged.len(),
            read_back: back.checked,
            lost: back.lost.clone(),
        }
    }
}

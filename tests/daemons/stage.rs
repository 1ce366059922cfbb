//! A cluster for a test, and the small acts that tests share.

use std::path::PathBuf;
use std::time::Duration;

use aegis_updates::demo::clock::Clock;
use aegis_updates::demo::cluster::{Cluster, Tools};
use aegis_updates::demo::journal::{Journal, Record};
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::record::Health;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::timings::Timings;
use aegis_updates::journal::fact::Fact;
use rustix::process::{Pid, Signal, kill_process};

use tokio::time::{Instant, sleep};

use crate::support::release::reference_node;
use crate::support::wait::wait_until;

/// Daemons and databases start within seconds; a loaded machine gets its time.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two readings of the journal; a principal may ask 50 times a second.
const LAP: Duration = Duration::from_millis(40);

/// Three daemons and three databases on 1.0.0.
pub async fn cluster() -> Cluster {
    cluster_on(Timings::DEMO, &Recipe::sound("1.0.0")).await
}

/// Three daemons with these timings, and three databases on `installed`.
pub async fn cluster_on(timings: Timings, installed: &Recipe) -> Cluster {
    let tools = Tools {
        updater: PathBuf::from(env!("CARGO_BIN_EXE_aegis-updates")),
        reference_node: reference_node(),
        timings,
        clock: Clock::start(),
        environment: Vec::new(),
    };
    println!("{}", tools.timings);
    let formed = Cluster::form(tools, installed).await;
    formed.unwrap_or_else(|error| panic!("the cluster was not formed: {error}"))
}

/// Starts looking, and returns when every database was seen healthy.
pub async fn observe(cluster: &Cluster) -> Observer {
    let observed = cluster.hosts.iter().map(|host| host.observed()).collect();
    let observer = Observer::start(observed, cluster.tools.clock).unwrap();
    all_healthy(cluster, &observer).await;
    observer
}

pub async fn all_healthy(cluster: &Cluster, observer: &Observer) {
    let names = cluster.names();
    let healthy = |name: &String| {
        let record = observer.record();
        let health = record.health_at(name, u64::MAX).cloned();
        matches!(health, Some(Health::Healthy { .. })) && record.running(name).is_some()
    };
    wait_until(PATIENCE, "every database is healthy", async || {
        names.iter().all(healthy)
    })
    .await;
}

/// The first record from `begin` on with such a fact; after `patience` the last of the journal.
pub async fn until(
    journal: &mut Journal,
    begin: usize,
    patience: Duration,
    is: impl Fn(&Fact) -> bool,
) -> Result<Record, String> {
    let end = Instant::now() + patience;
    loop {
        // Some member answers again soon; until then there is nothing to read.
        let _ = journal.read_on().await;
        let mut records = journal.records[begin..].iter();
        if let Some(found) = records.find(|record| is(&record.fact)) {
            return Ok(found.clone());
        }
        if Instant::now() >= end {
            return Err(format!("{:?}", journal.records.last()));
        }
        sleep(LAP).await;
    }
}

/// SIGKILL; gone already is as good.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, signal);
}

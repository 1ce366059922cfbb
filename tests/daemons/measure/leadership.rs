//! Leadership that is handed over under writes, and leadership that nobody asked to move.

use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::journal::Journal;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::journal::fact::Fact;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::writers::Writers;
use super::{Pressure, TIMINGS, at_share, number};
use crate::callers::principals;
use crate::stage::{self, PATIENCE};

/// Between two handoffs.
const PAUSE: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: `cargo xtask measure handoff`"]
async fn handoff() {
    let count = number("N", 100);
    let cluster = stage::cluster_on(TIMINGS, &Recipe::sound("1.0.0")).await;
    let principals = principals(&cluster.api).await;
    let pressure = Pressure::start(cluster.directory());
    let writers = Writers::start(&principals, &cluster.api.members);
    let (mut took_ms, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let leader = cluster.leader().await.unwrap();
        let names = cluster.names();
        let at = names.iter().position(|name| *name == leader).unwrap();
        let to = &names[(at + 1) % names.len()];
        let member = cluster.host(&leader).unwrap().ports.api.address();
        let start = Instant::now();
        let body = json!({ "to": to });
        let answer = cluster
            .api
            .at(&member, "POST", "/cluster/leader", Some(&body), None)
            .await;
        match answer {
            Ok(answer) if answer.status.is_success() => {
                took_ms.push(u64::try_from(start.elapsed().as_millis()).unwrap());
            }
            other => refused.push(format!("{other:?}")),
        }
        sleep(PAUSE).await;
    }
    let (outcome, rate) = writers.finish().await;
    took_ms.sort_unstable();
    println!(
        "measure handoff: handoffs={} refused={} median_ms={} p99_ms={} calls={} rate={rate:.0}/s failed={} slowest_ms={} syncs={}",
        took_ms.len(),
        refused.len(),
        at_share(&took_ms, 0.5),
        at_share(&took_ms, 0.99),
        outcome.calls,
        outcome.failed.len(),
        outcome.slowest.as_millis(),
        pressure.syncs()
    );
    for line in refused.iter().chain(&outcome.failed).take(10) {
        println!("  {line}");
    }
    assert!(
        outcome.failed.is_empty(),
        "{} calls failed",
        outcome.failed.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: `cargo xtask measure calm`"]
async fn calm() {
    let minutes = number("MINUTES", 30);
    let cluster = stage::cluster_on(TIMINGS, &Recipe::sound("1.0.0")).await;
    let principals = principals(&cluster.api).await;
    let before = terms(&cluster).await;
    let pressure = Pressure::start(cluster.directory());
    let writers = Writers::start(&principals, &cluster.api.members);
    sleep(Duration::from_secs(60 * minutes)).await;
    let (outcome, rate) = writers.finish().await;
    let elections = terms(&cluster).await - before;
    println!(
        "measure calm: minutes={minutes} elections={elections} calls={} rate={rate:.0}/s failed={} slowest_ms={} syncs={}",
        outcome.calls,
        outcome.failed.len(),
        outcome.slowest.as_millis(),
        pressure.syncs()
    );
    for line in outcome.failed.iter().take(10) {
        println!("  {line}");
    }
    assert_eq!(elections, 0);
    assert!(
        outcome.failed.is_empty(),
        "{} calls failed",
        outcome.failed.len()
    );
}

/// How many terms were opened so far.
async fn terms(cluster: &Cluster) -> usize {
    let mut journal = Journal::new(cluster.api.clone());
    let end = Instant::now() + PATIENCE;
    while journal.read_on().await.is_err() {
        assert!(Instant::now() < end, "the journal cannot be read");
    }
    let facts = journal.records.iter();
    facts
        .filter(|record| matches!(record.fact, Fact::TermOpened { .. }))
        .count()
}

//! Daemons die, and the databases beside them do not notice.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use aegis_updates::demo::balancer::Balancer;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::load::{self, Kind, Load, Log, Outcome, Sent};
use aegis_updates::demo::read_back::read_back;
use aegis_updates::demo::scene::{CONNECTIONS, RATE_MIN_PER_S, RATE_PER_S};

use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_until;

const DEATHS: u32 = 20;
/// The ordinary run is shorter than a minute and says so, but longer than any election, lease or health
/// age; `HOLD_SECS=60` is the long form.
const ALL_DOWN: Duration = Duration::from_secs(20);
const HOLD: &str = "HOLD_SECS";

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_twenty_times_leaves_its_database_alone() {
    let mut cluster = stage::cluster().await;
    let observer = stage::observe(&cluster).await;
    let before = observer.record().running("n2").unwrap().life;
    let (_balancer, load) = traffic(&cluster).await;
    let clock = cluster.tools.clock;
    let mut spans = Vec::new();
    for _ in 0..DEATHS {
        let died_us = clock.now_us();
        cluster.host_mut("n2").unwrap().kill().await.unwrap();
        goes_on(&load).await;
        let started_us = clock.now_us();
        cluster.start_daemon("n2").unwrap();
        cluster.answers("n2").await.unwrap();
        goes_on(&load).await;
        spans.extend([died_us..started_us, started_us..clock.now_us()]);
    }
    let log = load.finish().await;
    nothing_failed(&cluster, &log).await;
    let written = |span: &Range<u64>| {
        let within = |sent: &&Sent| {
            sent.kind == Kind::Write
                && sent.backend.as_deref() == Some("n2")
                && span.contains(&sent.start_us)
        };
        log.sent.iter().filter(within).count()
    };
    let writes: Vec<usize> = spans.iter().map(written).collect();
    println!("writes to n2 with its daemon down and up by turns: {writes:?}");
    assert!(
        writes.iter().all(|writes| *writes > 0),
        "a time without a write to the database in question: {writes:?}"
    );
    let record = observer.finish().await;
    assert_eq!(
        record.running("n2").map(|process| process.life),
        Some(before)
    );
    assert_eq!(cluster.host("n2").unwrap().daemon_starts, DEATHS + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_does_not_notice_that_all_daemons_are_down() {
    let mut cluster = stage::cluster().await;
    let observer = stage::observe(&cluster).await;
    let (balancer, load) = traffic(&cluster).await;
    for name in cluster.names() {
        cluster.host_mut(&name).unwrap().kill().await.unwrap();
    }
    let hold = std::env::var(HOLD).ok();
    let hold = hold.map_or(ALL_DOWN, |text| Duration::from_secs(text.parse().unwrap()));
    let clock = cluster.tools.clock;
    let from_us = clock.now_us();
    let to_us = from_us + u64::try_from(hold.as_micros()).unwrap();
    let over = async || clock.now_us() >= to_us;
    wait_until(hold * 2, "the time without daemons is over", over).await;
    assert_eq!(balancer.in_rotation().len(), 3);
    for name in cluster.names() {
        cluster.start_daemon(&name).unwrap();
    }
    for name in cluster.names() {
        cluster.answers(&name).await.unwrap();
    }
    goes_on(&load).await;
    let log = load.finish().await;
    nothing_failed(&cluster, &log).await;
    let meanwhile = |sent: &&Sent| sent.start_us >= from_us && sent.end_us < to_us;
    let answered = log.sent.iter().filter(meanwhile).count();
    let rate = answered as f64 / hold.as_secs_f64();
    println!(
        "all daemons down for {hold:?} ({HOLD} sets it): {answered} requests on {CONNECTIONS} connections, {rate:.0}/s, 0 failed"
    );
    assert!(rate >= RATE_MIN_PER_S, "only {rate:.0} requests a second");
    let record = observer.finish().await;
    assert_eq!(record.processes.len(), 3, "{:#?}", record.processes);
    assert!(balancer.events().len() == 3, "{:#?}", balancer.events());
}

/// Long enough for each database to get its share.
async fn goes_on(load: &Load) {
    let sent = load.sent();
    let more = async || load.sent() > sent + 60;
    wait_until(PATIENCE, "traffic goes on", more).await;
}

async fn traffic(cluster: &Cluster) -> (Balancer, Load) {
    let backends = cluster.hosts.iter().map(|host| host.backend()).collect();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let balancer = Balancer::start(any, backends, cluster.tools.clock)
        .await
        .unwrap();
    let all = async || balancer.in_rotation().len() == 3;
    wait_until(PATIENCE, "every database is in rotation", all).await;
    let plan = load::Plan {
        balancer: balancer.address(),
        connections: CONNECTIONS,
        rate_per_s: RATE_PER_S,
        write_every: load::WRITE_EVERY,
        prefix: "bystander".to_owned(),
    };
    (balancer, Load::start(&plan, cluster.tools.clock))
}

async fn nothing_failed(cluster: &Cluster, log: &Log) {
    let failed: Vec<String> = log
        .sent
        .iter()
        .filter(|sent| matches!(sent.outcome, Outcome::Failed { .. }))
        .map(ToString::to_string)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let read = read_back(&log.acknowledged, &cluster.databases()).await;
    assert!(read.lost.is_empty(), "{:#?}", read.lost);
    assert!(read.checked > 0);
}

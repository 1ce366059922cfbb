//! Daemons die, and the databases beside them do not notice.

use std::net::SocketAddr;
use std::time::Duration;

use aegis_updates::demo::balancer::Balancer;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::load::{self, Load, Log, Outcome};
use aegis_updates::demo::read_back::read_back;

use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_until;

const DEATHS: u32 = 20;
/// Longer than any election, lease or health age.
const ALL_DOWN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_twenty_times_leaves_its_database_alone() {
    let mut cluster = stage::cluster().await;
    let observer = stage::observe(&cluster).await;
    let before = observer.record().running("n2").unwrap().life;
    let (_balancer, load) = traffic(&cluster).await;
    for _ in 0..DEATHS {
        cluster.host_mut("n2").unwrap().kill().await.unwrap();
        let sent = load.sent();
        wait_until(PATIENCE, "traffic goes on", async || {
            load.sent() > sent + 20
        })
        .await;
        cluster.start_daemon("n2").unwrap();
        cluster.answers("n2").await.unwrap();
    }
    let log = load.finish().await;
    nothing_failed(&cluster, &log).await;
    let writes = log
        .acknowledged
        .iter()
        .filter(|write| write.backend == "n2");
    assert!(
        writes.count() > 0,
        "no write reached the database in question"
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
    let end = tokio::time::Instant::now() + ALL_DOWN;
    let over = async || tokio::time::Instant::now() >= end;
    wait_until(ALL_DOWN * 2, "the time without daemons is over", over).await;
    assert_eq!(balancer.in_rotation().len(), 3);
    for name in cluster.names() {
        cluster.start_daemon(&name).unwrap();
    }
    for name in cluster.names() {
        cluster.answers(&name).await.unwrap();
    }
    let sent = load.sent();
    wait_until(PATIENCE, "traffic goes on", async || {
        load.sent() > sent + 200
    })
    .await;
    nothing_failed(&cluster, &load.finish().await).await;
    let record = observer.finish().await;
    assert_eq!(record.processes.len(), 3, "{:#?}", record.processes);
    assert!(balancer.events().len() == 3, "{:#?}", balancer.events());
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
        connections: 8,
        rate_per_s: 100,
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

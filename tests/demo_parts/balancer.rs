//! The balancer obeys readiness, closes what it must, and hides no failure; lost writes are found.

use aegis_updates::demo::read_back::read_back;

use crate::support::http;
use crate::support::node::PATIENCE;
use crate::support::wait::wait_until;
use crate::world::{World, failures, load_for, three_probes};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_daemon_takes_no_database_out_and_brings_no_drained_one_back() {
    let world = World::new();
    let mut probes = three_probes().await;
    let mut nodes = world.start_all().await;
    let balancer = world.balancer(&probes).await;
    assert_eq!(balancer.in_rotation(), ["n1", "n2", "n3"]);

    probes[0].say(503);
    let rotation = |expected: &'static [&'static str]| {
        let balancer = &balancer;
        async move {
            let what = format!("the rotation is {expected:?}");
            wait_until(PATIENCE, &what, || async {
                balancer.in_rotation() == expected
            })
            .await;
        }
    };
    rotation(&["n2", "n3"]).await;
    // All daemons die: n1's last word was no, the others' yes.
    let addresses: Vec<String> = probes
        .drain(..)
        .map(|probe| probe.address.clone())
        .collect();
    for address in &addresses {
        wait_until(PATIENCE, "the daemon is gone", || async {
            http::request("GET", address, "/ready", None).await.is_err()
        })
        .await;
    }
    let log = load_for(&balancer, world.clock, 200).await;
    assert_eq!(failures(&log), Vec::<String>::new());
    assert_eq!(
        balancer.in_rotation(),
        ["n2", "n3"],
        "only last words and databases count"
    );
    assert!(
        log.acknowledged.iter().all(|write| write.backend != "n1"),
        "a drained node gets nothing"
    );

    nodes.pop().unwrap().stop().await;
    rotation(&["n2"]).await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_is_answered_once_and_never_sent_again() {
    let world = World::new();
    let probes = three_probes().await;
    let nodes = world.start_all().await;
    let balancer = world.balancer(&probes).await;
    world.places[1].set_fault("lying-health").await;
    let log = load_for(&balancer, world.clock, 200).await;
    let failed = failures(&log);
    assert!(!failed.is_empty(), "writes on the lying node fail");
    assert!(
        failed
            .iter()
            .all(|line| line.contains("write n2 FAILED HTTP 500")),
        "{failed:?}"
    );
    assert!(log.acknowledged.iter().all(|write| write.backend != "n2"));

    let kept = read_back(&log.acknowledged, &world.addresses()).await;
    assert_eq!(
        (kept.checked, kept.lost.len()),
        (log.acknowledged.len(), 0),
        "{:?}",
        kept.lost
    );
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_rotation_closes_the_pooled_connections() {
    let mut world = World::new();
    // Heartbeats between peers would be connections too.
    for place in &mut world.places {
        place.peers.clear();
    }
    let probes = three_probes().await;
    let nodes = world.start_all().await;
    let balancer = world.balancer(&probes).await;
    let log = load_for(&balancer, world.clock, 50).await;
    assert_eq!(failures(&log), Vec::<String>::new());
    let first = &world.places[0];
    assert!(first.connections() > 0, "the balancer keeps connections");
    probes[0].say(503);
    wait_until(PATIENCE, "no connection to n1 is left", || async {
        first.connections() == 0
    })
    .await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writes_are_found() {
    let world = World::new();
    let probes = three_probes().await;
    let mut nodes = world.start_all().await;
    let balancer = world.balancer(&probes).await;
    let log = load_for(&balancer, world.clock, 100).await;
    let on_third = log
        .acknowledged
        .iter()
        .filter(|write| write.backend == "n3")
        .count();
    assert!(on_third > 0);
    nodes.pop().unwrap().stop().await;
    std::fs::remove_file(world.places[2].data_dir.join("data.log")).unwrap();
    nodes.push(world.places[2].start_healthy(&world.old.path).await);
    let found = read_back(&log.acknowledged, &world.addresses()).await;
    assert_eq!(found.lost.len(), on_third, "{:?}", found.lost);
}

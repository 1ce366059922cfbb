//! The observer sees starts, ends, health, and the bytes that run.

use std::path::Path;

use aegis_updates::demo::record::{Health, Record};

use crate::support::node::PATIENCE;
use crate::support::wait::wait_until;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_observer_sees_starts_ends_digests_and_health() {
    let world = World::new();
    let place = &world.places[0];
    let observer = world.observer();
    let began_ms = world.clock.now_ms();
    let node = place.start_healthy(&world.old.path).await;
    let pid = node.pid().unwrap();
    let seen = |what: &'static str, ready: fn(&Record) -> bool| {
        let observer = &observer;
        async move { wait_until(PATIENCE, what, || async { ready(&observer.record()) }).await }
    };
    seen("the process has a digest", |record| {
        record
            .processes
            .iter()
            .any(|process| process.digest.is_some())
    })
    .await;
    place.set_fault("never-healthy").await;
    seen("it is sick", |record| {
        matches!(record.health_at("n1", u64::MAX), Some(Health::Sick { .. }))
    })
    .await;
    node.kill().await;
    seen("it ended", |record| {
        record
            .processes
            .iter()
            .all(|process| process.ended_at_ms.is_some())
    })
    .await;

    let record = observer.finish().await;
    assert_eq!(record.processes.len(), 1, "{:?}", record.processes);
    let first = &record.processes[0];
    assert_eq!(
        (first.life.pid, first.digest.as_ref()),
        (pid, Some(&world.old.sha256))
    );
    // The kernel's start time is cut to a clock tick.
    assert!(
        first.started_at_ms + 20 >= began_ms,
        "{first:?} began at {began_ms}"
    );
    assert!(first.ended_at_ms.unwrap() > first.started_at_ms);
    assert_eq!(record.starts("n1", began_ms - 20), 1);
    assert_eq!(record.starts("n1", world.clock.now_ms()), 0);
    assert_eq!(record.starts("n2", 0), 0);
    assert!(record.running("n1").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_of_the_bytes_that_run_and_not_of_the_path() {
    let world = World::new();
    let place = &world.places[0];
    let path = world.root.path().join("installed");
    copy(&world.old.path, &path);
    let node = place.start_healthy(&path).await;
    let aside = world.root.path().join("aside");
    copy(&world.new.path, &aside);
    std::fs::rename(&aside, &path).unwrap();
    let observer = world.observer();
    wait_until(PATIENCE, "the observer saw it", || async {
        observer.record().running("n1").is_some()
    })
    .await;
    let record = observer.finish().await;
    assert_eq!(
        record.running("n1").unwrap().digest.as_ref(),
        Some(&world.old.sha256)
    );
    node.stop().await;
}

/// Copies in a process of its own; see `Recipe::mint` on why.
fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}

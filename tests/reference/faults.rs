//! Each fault mode, seen from outside on a real process.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::node::{PATIENCE, Place};
use crate::support::release::{Recipe, Release};
use crate::support::wait::wait_until;

/// Long enough to see that something does *not* happen.
const A_WHILE: Duration = Duration::from_millis(400);

struct World {
    root: TempDir,
    place: Place,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let place = Place::new(root.path(), "n1");
        Self { root, place }
    }

    fn release(&self, fault: &str) -> Release {
        Recipe::faulty("1.1.0", fault).mint(&self.root.path().join("release"))
    }

    async fn health_status(&self) -> Option<u16> {
        self.place.health().await.map(|answer| answer.status)
    }
}

#[tokio::test]
async fn crash_at_start() {
    let world = World::new();
    let mut node = world.place.start(&world.release("crash-at-start").path);
    assert_eq!(node.exit(PATIENCE).await, Some(Err(6)), "it aborts");
}

#[tokio::test]
async fn hang_at_start() {
    let world = World::new();
    let mut node = world.place.start(&world.release("hang-at-start").path);
    wait_until(PATIENCE, "it says that it hangs", || async {
        world.place.log_text().contains("hanging")
    })
    .await;
    assert!(node.exit(A_WHILE).await.is_none(), "it stays up");
    assert_eq!(world.health_status().await, None, "it never listens");
    node.signal(Signal::TERM);
    assert_eq!(node.exit(PATIENCE).await, Some(Err(15)));
}

#[tokio::test]
async fn exit_after_a_healthy_while() {
    let world = World::new();
    let mut node = world
        .place
        .start_healthy(&world.release("exit-after=1500").path)
        .await;
    assert!(world.place.put("key", "value").await);
    assert!(node.is_running());
    assert_eq!(node.exit(PATIENCE).await, Some(Ok(1)));
}

#[tokio::test]
async fn unhealthy_after_a_healthy_while() {
    let world = World::new();
    let mut node = world
        .place
        .start_healthy(&world.release("unhealthy-after=1500").path)
        .await;
    wait_until(PATIENCE, "it turns unhealthy", || async {
        world.health_status().await == Some(503)
    })
    .await;
    assert!(node.is_running());
    assert!(
        world.place.put("key", "value").await,
        "only its health is bad"
    );
    node.stop().await;
}

#[tokio::test]
async fn wrong_version() {
    let world = World::new();
    let node = world
        .place
        .start_healthy(&world.release("wrong-version=9.9.9").path)
        .await;
    assert_eq!(
        world.place.health().await.unwrap().json()["version"],
        "9.9.9"
    );
    node.stop().await;
}

#[tokio::test]
async fn ignore_term() {
    let world = World::new();
    let mut node = world
        .place
        .start_healthy(&world.release("ignore-term").path)
        .await;
    node.signal(Signal::TERM);
    wait_until(PATIENCE, "it says so", || async {
        world.place.log_text().contains("ignoring a stop")
    })
    .await;
    assert!(node.exit(A_WHILE).await.is_none());
    assert!(world.place.put("key", "value").await, "it serves on");
    node.kill().await;
}

#[tokio::test]
async fn keep_port() {
    let world = World::new();
    let node = world
        .place
        .start_healthy(&world.release("keep-port=1500").path)
        .await;
    node.stop().await;
    let bind = || TcpListener::bind(("127.0.0.1", world.place.port.number));
    assert!(bind().is_err(), "a child holds the port after the exit");
    wait_until(PATIENCE, "the child lets go", || async { bind().is_ok() }).await;
}

#[tokio::test]
async fn slow_stop() {
    let world = World::new();
    let mut node = world
        .place
        .start_healthy(&world.release("slow-stop=1000").path)
        .await;
    let asked = Instant::now();
    node.signal(Signal::TERM);
    assert_eq!(node.exit(PATIENCE).await, Some(Ok(0)));
    assert!(
        asked.elapsed() >= Duration::from_secs(1),
        "it took {:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn never_healthy() {
    let world = World::new();
    let node = world.place.start(&world.release("never-healthy").path);
    wait_until(PATIENCE, "it answers", || async {
        world.health_status().await.is_some()
    })
    .await;
    assert_eq!(world.health_status().await, Some(503));
    assert!(world.place.put("key", "value").await);
    node.stop().await;
}

#[tokio::test]
async fn garbage_health() {
    let world = World::new();
    let node = world.place.start(&world.release("garbage-health").path);
    wait_until(PATIENCE, "it answers", || async {
        world.health_status().await == Some(200)
    })
    .await;
    let answer = world.place.health().await.unwrap();
    assert!(
        serde_json::from_slice::<serde_json::Value>(&answer.body).is_err(),
        "{}",
        answer.text()
    );
    node.stop().await;
}

#[tokio::test]
async fn flapping_health() {
    let world = World::new();
    let node = world
        .place
        .start_healthy(&world.release("flapping=150").path)
        .await;
    for status in [503, 200, 503, 200] {
        wait_until(PATIENCE, &format!("health turns to {status}"), || async {
            world.health_status().await == Some(status)
        })
        .await;
    }
    node.stop().await;
}

#[tokio::test]
async fn lying_health() {
    let world = World::new();
    let node = world
        .place
        .start_healthy(&world.release("lying-health").path)
        .await;
    assert!(!world.place.put("key", "value").await, "writes fail");
    assert!(world.place.is_healthy().await, "health says nothing of it");
    assert_eq!(world.place.read("key").await, None);
    node.stop().await;
}

#[tokio::test]
async fn slow_health() {
    let world = World::new();
    let node = world
        .place
        .start_healthy(&world.release("slow-health=600").path)
        .await;
    let asked = Instant::now();
    assert_eq!(world.health_status().await, Some(200));
    assert!(asked.elapsed() >= Duration::from_millis(600));
    assert!(world.place.put("key", "value").await);
    node.stop().await;
}

#[tokio::test]
async fn changed_format_is_refused_by_the_old_release() {
    let world = World::new();
    let old = Recipe::sound("1.0.0").mint(&world.root.path().join("old"));
    let new = world.release("changes-format");
    let node = world.place.start_healthy(&old.path).await;
    assert!(world.place.put("key", "value").await);
    node.stop().await;
    let node = world.place.start_healthy(&new.path).await;
    assert_eq!(
        world.place.read("key").await.as_deref(),
        Some("value"),
        "the new release reads the old data"
    );
    node.stop().await;
    let mut node = world.place.start(&old.path);
    assert_eq!(node.exit(PATIENCE).await, Some(Ok(1)));
    assert!(
        world.place.log_text().contains("it has format 2"),
        "{}",
        world.place.log_text()
    );
}

#[tokio::test]
async fn a_fault_can_strike_one_node_only() {
    let root = TempDir::new().unwrap();
    let release = Recipe {
        only_nodes: &["n2"],
        ..Recipe::faulty("1.2.0", "never-healthy")
    }
    .mint(&root.path().join("release"));
    let spared = Place::new(root.path(), "n1");
    let struck = Place::new(root.path(), "n2");
    let first = spared.start_healthy(&release.path).await;
    let second = struck.start(&release.path);
    wait_until(PATIENCE, "n2 answers", || async {
        struck.health().await.is_some()
    })
    .await;
    assert_eq!(struck.health().await.unwrap().status, 503);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_fault_can_strike_from_a_later_start_on() {
    let world = World::new();
    let release = Recipe {
        from_start: 2,
        ..Recipe::faulty("1.2.0", "never-healthy")
    }
    .mint(&world.root.path().join("release"));
    world.place.start_healthy(&release.path).await.stop().await;
    let node = world.place.start(&release.path);
    wait_until(PATIENCE, "it answers", || async {
        world.health_status().await.is_some()
    })
    .await;
    assert_eq!(world.health_status().await, Some(503));
    node.stop().await;
}

#[tokio::test]
async fn the_environment_overrides_the_trailer() {
    let mut world = World::new();
    world
        .place
        .environment
        .push(("REFERENCE_FAULT", "wrong-version=7.0.0".to_owned()));
    let node = world
        .place
        .start_healthy(&world.release("never-healthy").path)
        .await;
    assert_eq!(
        world.place.health().await.unwrap().json()["version"],
        "7.0.0"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_running_node_is_made_sick_and_well() {
    let world = World::new();
    let node = world.place.start_healthy(&world.release("none").path).await;
    world.place.set_fault("never-healthy").await;
    assert_eq!(world.health_status().await, Some(503));
    world.place.set_fault("lying-health").await;
    assert!(!world.place.put("key", "value").await);
    world.place.set_fault("none").await;
    assert!(world.place.is_healthy().await);
    assert!(world.place.put("key", "value").await);
    for refused in [
        "crash-at-start",
        "nonsense",
        "flapping=soon",
        "ignore-term=1",
    ] {
        let answer = world
            .place
            .post("/fault", &json!({ "fault": refused }))
            .await
            .unwrap();
        assert_eq!(answer.status, 422, "{refused}");
    }
    assert!(
        world.place.is_healthy().await,
        "a refused change changes nothing"
    );
    node.stop().await;
}

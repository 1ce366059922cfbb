//! Balancer, load, observer and report of the demo, on real reference nodes rolled by hand: the test
//! does with plain signals and readiness what the product will do, well and badly.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use aegis_updates::demo::act::{self, Act, Expected, Order};
use aegis_updates::demo::backend::Address;
use aegis_updates::demo::balancer::{Balancer, What};
use aegis_updates::demo::clock::Clock;
use aegis_updates::demo::load::{self, Load, Log, Outcome};
use aegis_updates::demo::observer::{Database, Observer};
use aegis_updates::demo::passes::StepFact;
use aegis_updates::demo::read_back::read_back;
use aegis_updates::demo::record::{Health, Record};
use aegis_updates::demo::report;
use aegis_updates::demo::verdict;
use axum::http::StatusCode;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use support::http;
use support::node::{Node, PATIENCE, Place};
use support::release::{Recipe, Release};
use support::wait::wait_until;

/// The readiness endpoint of a daemon, and its death.
struct Probe {
    address: String,
    status: Arc<AtomicU16>,
    server: JoinHandle<()>,
}

impl Probe {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let status = Arc::new(AtomicU16::new(200));
        let shared = Arc::clone(&status);
        let ready =
            move || async move { StatusCode::from_u16(shared.load(Ordering::Relaxed)).unwrap() };
        let router = axum::Router::new().route("/ready", axum::routing::get(ready));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            status,
            server,
        }
    }

    fn say(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct World {
    old: Release,
    new: Release,
    places: Vec<Place>,
    clock: Clock,
    root: TempDir,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let old = Recipe::sound("1.0.0").mint(&root.path().join("old"));
        let new = Recipe::sound("1.1.0").mint(&root.path().join("new"));
        let places = Place::cluster(root.path(), 3);
        Self {
            old,
            new,
            places,
            clock: Clock::start(),
            root,
        }
    }

    async fn start_all(&self) -> Vec<Node<'_>> {
        let mut nodes = Vec::new();
        for place in &self.places {
            nodes.push(place.start_healthy(&self.old.path).await);
        }
        nodes
    }

    async fn balancer(&self, probes: &[Probe]) -> Balancer {
        let addresses = self
            .places
            .iter()
            .zip(probes)
            .map(|(place, probe)| Address {
                name: place.id.clone(),
                database: place.port.address(),
                probe: probe.address.clone(),
            });
        let any = "127.0.0.1:0".parse().unwrap();
        Balancer::start(any, addresses.collect(), self.clock)
            .await
            .unwrap()
    }

    fn observer(&self) -> Observer {
        let databases = self.places.iter().map(|place| Database {
            name: place.id.clone(),
            data_dir: place.data_dir.clone(),
            address: place.port.address(),
        });
        Observer::start(databases.collect(), self.clock).unwrap()
    }

    fn addresses(&self) -> BTreeMap<String, String> {
        self.places
            .iter()
            .map(|place| (place.id.clone(), place.port.address()))
            .collect()
    }

    fn fact(&self, node: &str, step: &str) -> StepFact {
        let (at_ms, node, step) = (self.clock.now_ms(), node.to_owned(), step.to_owned());
        StepFact {
            at_ms,
            node,
            step,
            term: 1,
            leader: false,
        }
    }
}

async fn three_probes() -> Vec<Probe> {
    vec![
        Probe::start().await,
        Probe::start().await,
        Probe::start().await,
    ]
}

fn failures(log: &Log) -> Vec<String> {
    log.sent
        .iter()
        .filter(|sent| matches!(sent.outcome, Outcome::Failed { .. }))
        .map(ToString::to_string)
        .collect()
}

fn load_plan(balancer: &Balancer) -> load::Plan {
    let prefix = "key".to_owned();
    load::Plan {
        balancer: balancer.address(),
        connections: 8,
        rate_per_s: 250,
        prefix,
    }
}

/// Rolls every node to the new release by hand; `drained` as it must be, or not at all.
async fn roll(world: &World, drained: bool) -> Act {
    let probes = three_probes().await;
    let mut nodes = world.start_all().await;
    let observer = world.observer();
    let balancer = world.balancer(&probes).await;
    let from_ms = world.clock.now_ms();
    let plan = load_plan(&balancer);
    let load = Load::start(&plan, world.clock);
    wait_until(PATIENCE, "the load runs", || async { load.sent() > 20 }).await;
    wait_until(
        PATIENCE,
        "the observer saw three healthy databases",
        || async {
            let record = observer.record();
            world.places.iter().all(|place| {
                matches!(
                    record.health_at(&place.id, u64::MAX),
                    Some(Health::Healthy { .. })
                )
            })
        },
    )
    .await;
    let mut facts = Vec::new();
    for index in [1, 2, 0] {
        let place = &world.places[index];
        facts.push(world.fact(&place.id, "Draining"));
        if drained {
            probes[index].say(503);
            wait_until(PATIENCE, "the balancer obeys", || async {
                !balancer.in_rotation().contains(&place.id)
                    && balancer.in_flight(&place.id) == Some(0)
            })
            .await;
        }
        facts.push(world.fact(&place.id, "Restarting"));
        let at = nodes
            .iter()
            .position(|node| node.place.id == place.id)
            .unwrap();
        nodes.remove(at).stop().await;
        let node = place.start(&world.new.path);
        facts.push(world.fact(&place.id, "Verifying"));
        place.wait_healthy().await;
        nodes.push(node);
        // It looks each 50 ms: a node stopped sooner than that would seem down together with this one.
        wait_until(PATIENCE, "the observer saw the new version", || async {
            let record = observer.record();
            let healthy = Health::Healthy {
                version: "1.1.0".to_owned(),
            };
            record.health_at(&place.id, u64::MAX) == Some(&healthy)
        })
        .await;
        probes[index].say(200);
        wait_until(PATIENCE, "it is back in rotation", || async {
            balancer.in_rotation().contains(&place.id)
        })
        .await;
        facts.push(world.fact(&place.id, "Updated"));
    }
    let before = load.sent();
    wait_until(PATIENCE, "the load went on", || async {
        load.sent() > before + 100
    })
    .await;
    let log = load.finish().await;
    let found = read_back(&log.acknowledged, &world.addresses()).await;
    let seen = observer.finish().await;
    let to_ms = world.clock.now_ms();
    for node in nodes {
        node.stop().await;
    }
    Act {
        name: "by hand".to_owned(),
        title: "a roll 1.0.0 → 1.1.0".to_owned(),
        from_ms,
        to_ms,
        status: "Completed".to_owned(),
        facts,
        led_at_start: Some("n1".to_owned()),
        connections: plan.connections,
        load: log,
        read_back: found,
        balancer: balancer.events(),
        seen,
        expected: expected(world),
    }
}

fn expected(world: &World) -> Expected {
    let names: Vec<String> = world.places.iter().map(|place| place.id.clone()).collect();
    let database = act::Database {
        digest: world.new.sha256.clone(),
        version: world.new.version.clone(),
        starts: 1,
    };
    Expected {
        status: "Completed".to_owned(),
        databases: names
            .iter()
            .map(|name| (name.clone(), database.clone()))
            .collect(),
        digests_allowed: BTreeSet::from([world.old.sha256.clone(), world.new.sha256.clone()]),
        taken: names.into_iter().collect(),
        order: Order::LeaderLast,
        down_together_max: 1,
        requests_min: 100,
        rate_min_per_s: 150.0,
        connections_min: 8,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_that_drains_fails_no_request() {
    let world = World::new();
    let act = roll(&world, true).await;
    assert_eq!(failures(&act.load), Vec::<String>::new());
    let text = report::render(std::slice::from_ref(&act));
    assert!(report::is_as_it_should_be(&[act]), "{text}");
    assert!(text.contains("own time: take"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_that_does_not_drain_fails_requests_and_the_report_says_so() {
    let world = World::new();
    let act = roll(&world, false).await;
    let bad: Vec<_> = verdict::judge(&act)
        .into_iter()
        .filter(|verdict| !verdict.ok)
        .collect();
    assert_eq!(
        bad.iter().map(|verdict| verdict.what).collect::<Vec<_>>(),
        ["requests"],
        "{bad:#?}"
    );
    let failed = act
        .balancer
        .iter()
        .filter(|event| matches!(event.what, What::Failed { .. }))
        .count();
    assert_eq!(
        failed,
        failures(&act.load).len(),
        "balancer and clients agree on what failed"
    );
    assert!(
        act.read_back.lost.is_empty(),
        "a stop that saves loses nothing"
    );
}

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

/// The load until it has sent `count` requests.
async fn load_for(balancer: &Balancer, clock: Clock, count: usize) -> Log {
    let load = Load::start(&load_plan(balancer), clock);
    wait_until(PATIENCE, "the load sent enough", || async {
        load.sent() >= count
    })
    .await;
    load.finish().await
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

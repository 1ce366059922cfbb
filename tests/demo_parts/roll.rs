//! A whole roll by hand: what the report says of a good one and of one without a drain.

use std::collections::BTreeSet;

use aegis_updates::demo::act::{self, Act, Expected, Order};
use aegis_updates::demo::balancer::{Balancer, What};
use aegis_updates::demo::load::Load;
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::passes::StepFact;
use aegis_updates::demo::read_back::read_back;
use aegis_updates::demo::record::Health;
use aegis_updates::demo::{report, verdict};

use crate::support::node::{Node, PATIENCE};
use crate::support::wait::wait_until;
use crate::world::{Probe, World, failures, load_plan, three_probes};

/// Rolls every node to the new release by hand; `drained` as it must be, or not at all.
async fn roll(world: &World, drained: bool) -> Act {
    let probes = three_probes().await;
    let mut nodes = world.start_all().await;
    let observer = world.observer();
    for place in &world.places {
        wait_seen(&observer, &place.id, "1.0.0").await;
    }
    let balancer = world.balancer(&probes).await;
    let from_ms = world.clock.now_ms();
    let plan = load_plan(&balancer);
    let load = Load::start(&plan, world.clock);
    wait_until(PATIENCE, "the load runs", || async { load.sent() > 20 }).await;
    let mut roll = Roll {
        world,
        probes,
        balancer,
        observer,
        facts: Vec::new(),
    };
    for index in [1, 2, 0] {
        roll.update(index, &mut nodes, &load, drained).await;
    }
    let before = load.sent();
    wait_until(PATIENCE, "the load went on", || async {
        load.sent() > before + 100
    })
    .await;
    let log = load.finish().await;
    let read_back = read_back(&log.acknowledged, &world.addresses()).await;
    let seen = roll.observer.finish().await;
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
        facts: roll.facts,
        led_at_start: Some("n1".to_owned()),
        connections: plan.connections,
        load: log,
        read_back,
        balancer: roll.balancer.events(),
        seen,
        expected: expected(world),
    }
}

struct Roll<'a> {
    world: &'a World,
    probes: Vec<Probe>,
    balancer: Balancer,
    observer: Observer,
    facts: Vec<StepFact>,
}

impl<'a> Roll<'a> {
    /// Takes one node from the old release to the new one.
    async fn update(
        &mut self,
        index: usize,
        nodes: &mut Vec<Node<'a>>,
        load: &Load,
        drained: bool,
    ) {
        let (world, place) = (self.world, &self.world.places[index]);
        self.facts.push(world.fact(&place.id, "Draining"));
        if drained {
            self.probes[index].say(503);
            wait_until(PATIENCE, "the balancer obeys", || async {
                !self.in_rotation(&place.id) && self.balancer.in_flight(&place.id) == Some(0)
            })
            .await;
        }
        self.facts.push(world.fact(&place.id, "Restarting"));
        let at = nodes.iter().position(|node| node.place.id == place.id);
        let failed = load.failed();
        nodes.remove(at.unwrap()).stop().await;
        if !drained {
            // The balancer still sends requests there; however slow the clients, one meets nobody.
            wait_until(PATIENCE, "a client met the stopped node", || async {
                load.failed() > failed
            })
            .await;
        }
        let node = place.start(&world.new.path);
        self.facts.push(world.fact(&place.id, "Verifying"));
        place.wait_healthy().await;
        nodes.push(node);
        // It looks each 50 ms: a next node stopped sooner would seem down together with this one.
        wait_seen(&self.observer, &place.id, "1.1.0").await;
        self.probes[index].say(200);
        wait_until(PATIENCE, "it is back in rotation", || async {
            self.in_rotation(&place.id)
        })
        .await;
        self.facts.push(world.fact(&place.id, "Updated"));
    }

    fn in_rotation(&self, name: &str) -> bool {
        self.balancer
            .in_rotation()
            .iter()
            .any(|other| other == name)
    }
}

/// Waits until the observer's last word on a database is that it is healthy in this version.
async fn wait_seen(observer: &Observer, name: &str, version: &str) {
    let healthy = Health::Healthy {
        version: version.to_owned(),
    };
    wait_until(PATIENCE, "the observer saw the version", || async {
        observer.record().health_at(name, u64::MAX) == Some(&healthy)
    })
    .await;
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
        failures: act::Failures::None,
        requests_min: 100,
        writes_min: 50,
        rate_min_per_s: 150.0,
        connections_min: 8,
    }
}

/// The load's rate and the observer's naps are the machine's, which other tests use too.
fn bad(act: &Act) -> Vec<verdict::Verdict> {
    let of_machine = ["load", "observer"];
    let verdicts = verdict::judge(act).into_iter();
    verdicts
        .filter(|verdict| !verdict.ok && !of_machine.contains(&verdict.what))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_that_drains_fails_no_request() {
    let world = World::new();
    let act = roll(&world, true).await;
    assert_eq!(failures(&act.load), Vec::<String>::new());
    let text = report::render(std::slice::from_ref(&act));
    assert!(bad(&act).is_empty(), "{text}");
    assert!(text.contains("own time: take"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_that_does_not_drain_fails_requests_and_the_report_says_so() {
    let world = World::new();
    let act = roll(&world, false).await;
    let bad = bad(&act);
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

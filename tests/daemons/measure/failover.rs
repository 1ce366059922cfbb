//! The leader is killed, or frozen, at one step after the other: how long until the same plan has a fact in a
//! higher term.

use std::time::Duration;

use aegis_updates::base::ids::PlanId;
use aegis_updates::demo::acts;
use aegis_updates::demo::api::Api;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::journal::{Journal, Record};
use aegis_updates::demo::releases::Recipe;
use aegis_updates::journal::fact::Fact;
use aegis_updates::plans::progress::Step;
use aegis_updates::plans::strategy::OnNodeFailure;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::writers::Writers;
use super::{Pressure, TIMINGS, at_share, number};
use crate::callers::principals;
use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_for;

/// A failover that took longer, or was none, is told of with what came next.
const SLOW_MS: u64 = 5_000;
/// A principal may ask 50 times a second.
const LAP: Duration = Duration::from_millis(25);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: `cargo xtask measure failover [--frozen]`"]
async fn failover() {
    let count = number("N", 100);
    let frozen = number("FROZEN", 0) == 1;
    let mut cluster = stage::cluster_on(TIMINGS, &Recipe::sound("1.0.0")).await;
    let principals = principals(&cluster.api).await;
    let pressure = Pressure::start(cluster.directory());
    let writers = Writers::start(&principals, &cluster.api.members);
    let (mut took_ms, mut late) = (Vec::new(), 0);
    for turn in 0..count {
        let step = Step::ALL[(turn % Step::ALL.len() as u64) as usize];
        match once(&mut cluster, turn, step, frozen).await {
            Some(ms) => took_ms.push(ms),
            None => late += 1,
        }
    }
    let (outcome, rate) = writers.finish().await;
    assert!(!took_ms.is_empty(), "the plan always ended before the blow");
    took_ms.sort_unstable();
    let how = if frozen { "frozen" } else { "killed" };
    println!(
        "measure failover ({how}): n={} late={late} median_ms={} p90_ms={} p99_ms={} max_ms={} writes={} rate={rate:.0}/s syncs={}",
        took_ms.len(),
        at_share(&took_ms, 0.5),
        at_share(&took_ms, 0.9),
        at_share(&took_ms, 0.99),
        at_share(&took_ms, 1.0),
        outcome.calls,
        pressure.syncs()
    );
}

/// One plan for one follower; `None`: it was over before the leader was.
async fn once(cluster: &mut Cluster, turn: u64, step: Step, frozen: bool) -> Option<u64> {
    let clock = cluster.tools.clock;
    let leader = wait_for(PATIENCE, "somebody leads", async || {
        cluster.leader().await.ok()
    })
    .await;
    let pid = cluster.host(&leader).unwrap().daemon_pid().unwrap();
    let names = cluster.names();
    let node = names.iter().find(|name| **name != leader).unwrap();
    let (plan, mut journal, term) = begin(cluster, turn, &leader, node).await;
    let enters = |record: &Record| matches!(&record.fact, Fact::StepEntered { plan: of, step: at, .. } if *of == plan && *at == step);
    first(&mut journal, enters).await;
    let from_ms = clock.now_ms();
    stage::signal(pid, if frozen { Signal::STOP } else { Signal::KILL });
    let ended = |record: &Record| matches!(&record.fact, Fact::PlanStatus { plan: of, to, .. } if *of == plan && to == "Completed");
    let goes_on = |record: &Record| record.term > term && plan_of(&record.fact) == Some(plan);
    let next = first(&mut journal, |record| goes_on(record) || ended(record)).await;
    let counts = |record: &&Record| record.term > term && record.at_ms >= from_ms;
    let took = next.as_ref().filter(counts);
    let took = took.map(|record| record.at_ms - from_ms);
    if took.is_none_or(|ms| ms > SLOW_MS) {
        println!("late or slow at {step}: term {term}, at {from_ms}, then {next:?}");
    }
    if frozen {
        stage::signal(pid, Signal::CONT);
    } else {
        // Gone already; this takes it from the books.
        let _ = cluster.host_mut(&leader).unwrap().kill().await;
        cluster.start_daemon(&leader).unwrap();
    }
    cluster.answers(&leader).await.unwrap();
    let end = first(&mut journal, ended).await;
    assert!(end.is_some(), "{plan} did not end");
    took
}

async fn begin(cluster: &Cluster, turn: u64, leader: &str, node: &str) -> (PlanId, Journal, u64) {
    let version = format!("1.1.{turn}");
    let (release, url) = cluster
        .publish(&Recipe::sound(&version), &version)
        .await
        .unwrap();
    let mut body = acts::body(cluster, &release, &url, OnNodeFailure::RollbackNode);
    body["nodes"] = json!([node]);
    let others = cluster.hosts.iter().filter(|host| host.name != leader);
    let api = Api {
        members: others.map(|host| host.ports.api.address()).collect(),
        ..cluster.api.clone()
    };
    let created = api.post("/plan", &body, &version, PATIENCE).await.unwrap();
    let plan = created.pointer("/plan/id").and_then(Value::as_str).unwrap();
    let mut journal = Journal::new(api.clone());
    let mut tries = 0;
    wait_for(PATIENCE, "the plan is executed", async || {
        tries += 1;
        let key = format!("{version}-execute-{tries}");
        let body = json!({ "plan_id": plan });
        api.post("/execute", &body, &key, PATIENCE).await.ok()
    })
    .await;
    let _ = journal.read_on().await;
    let term = journal.records.last().map_or(0, |record| record.term);
    (plan.parse().unwrap(), journal, term)
}

/// The first such record, if it comes in time.
async fn first(journal: &mut Journal, is: impl Fn(&Record) -> bool) -> Option<Record> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let _ = journal.read_on().await;
        if let Some(found) = journal.records.iter().find(|record| is(record)) {
            return Some(found.clone());
        }
        sleep(LAP).await;
    }
    None
}

fn plan_of(fact: &Fact) -> Option<PlanId> {
    match fact {
        Fact::PlanStatus { plan, .. }
        | Fact::QuorumLost { plan, .. }
        | Fact::Preflight { plan, .. }
        | Fact::Taken { plan, .. }
        | Fact::StepEntered { plan, .. }
        | Fact::Answered { plan, .. }
        | Fact::NodeStatus { plan, .. } => Some(*plan),
        _ => None,
    }
}

//! The crash matrix: at the journal fact that enters a step, daemon, database or both of that host are
//! killed with -9; the daemon is started again, the database is its resident parent's affair. A cell is
//! ended by its plan's end, bounded, and never tried again.

use std::time::Duration;

use aegis_updates::base::ids::PlanId;
use aegis_updates::demo::acts;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::journal::{Journal, Record};
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::record::Health;
use aegis_updates::demo::releases::{Recipe, Release};
use aegis_updates::journal::fact::Fact;
use aegis_updates::plans::strategy::OnNodeFailure;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::expectation::{Cell, Role, Victim, cells, fixed};
use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_for;

/// From the blow to the plan's end.
const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn twelve_cells() {
    run(fixed()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "all 54 cells take most of an hour: `cargo xtask matrix`"]
async fn every_cell() {
    run(cells().collect()).await;
}

/// One cluster after the other cell, as long as every cell leaves it as it must; a new one after a bad one.
async fn run(cells: Vec<Cell>) {
    let mut table = Vec::new();
    let mut bad = 0;
    let mut present: Option<Cluster> = None;
    for (number, cell) in cells.into_iter().enumerate() {
        let mut cluster = match present.take() {
            Some(cluster) => cluster,
            None => stage::cluster().await,
        };
        let outcome = play(&mut cluster, cell, &format!("1.0.{}", number + 1)).await;
        let line = match &outcome {
            Ok(line) => format!("{cell} ok   {line}"),
            Err(why) => format!("{cell} BAD  {why}"),
        };
        println!("{line}");
        table.push(line);
        match outcome {
            Ok(_) => present = Some(cluster),
            Err(_) => bad += 1,
        }
    }
    println!("\nhost       step        killed\n{}", table.join("\n"));
    assert_eq!(
        bad,
        0,
        "cells that did not end as expected:\n{}",
        table.join("\n")
    );
}

/// What became of one cell, in one line.
async fn play(cluster: &mut Cluster, cell: Cell, version: &str) -> Result<String, String> {
    let expected = cell.expectation();
    let observer = stage::observe(cluster).await;
    let node = target(cluster, cell.role).await;
    let recipe = Recipe::sound(version);
    let (release, url) = said(cluster.publish(&recipe, version).await)?;
    let mut journal = Journal::new(cluster.api.clone());
    said(journal.read_on().await)?;
    let begin = journal.records.len();
    let from_ms = cluster.tools.clock.now_ms();
    let plan = start(cluster, &release, &url, &node).await;
    let enters = |fact: &Fact| matches!(fact, Fact::StepEntered { node: at, step, .. } if at.as_str() == node && *step == cell.step);
    stage::until(&mut journal, begin, PATIENCE, enters)
        .await
        .map_err(|last| format!("the step was never entered; last: {last}"))?;
    strike(cluster, &observer, &node, cell.victim).await;
    let struck = Instant::now();
    let ends = |fact: &Fact| match fact {
        Fact::PlanStatus { plan: of, to, .. } if *of == plan => {
            ["Completed", "Failed", "RolledBack", "Cancelled", "Paused"].contains(&to.as_str())
        }
        _ => false,
    };
    let ended = stage::until(&mut journal, begin, BOUND, ends).await;
    let took = struck.elapsed();
    let (status, why) = match ended {
        Ok(Record {
            fact: Fact::PlanStatus { to, detail, .. },
            ..
        }) => (to, detail.unwrap_or_default()),
        Ok(_) => ("another fact".to_owned(), String::new()),
        Err(last) => return Err(format!("no end within {BOUND:?}; last: {last}")),
    };
    if status != expected.status {
        return Err(format!("ended {status}, not {}: {why}", expected.status));
    }
    stage::all_healthy(cluster, &observer).await;
    judge(&observer, &node, &release, from_ms, &expected.starts).map(|starts| {
        format!(
            "{status} {:.1} s after, {starts} starts",
            took.as_secs_f64()
        )
    })
}

/// The node's own database runs the release, and every other was left alone.
fn judge(
    observer: &Observer,
    node: &str,
    release: &Release,
    from_ms: u64,
    allowed: &std::ops::RangeInclusive<usize>,
) -> Result<usize, String> {
    let record = observer.record();
    for other in ["n1", "n2", "n3"].into_iter().filter(|name| *name != node) {
        let starts = record.starts(other, from_ms);
        if starts > 0 {
            return Err(format!("{other} was started {starts} times"));
        }
    }
    let starts = record.starts(node, from_ms);
    if !allowed.contains(&starts) {
        return Err(format!("{starts} starts, not {allowed:?}"));
    }
    let version = match record.health_at(node, u64::MAX) {
        Some(Health::Healthy { version }) => version.clone(),
        other => return Err(format!("the database is {other:?}")),
    };
    if version != release.version {
        return Err(format!("it runs {version}, not {}", release.version));
    }
    Ok(starts)
}

async fn target(cluster: &Cluster, role: Role) -> String {
    let leader = wait_for(PATIENCE, "somebody leads", async || {
        cluster.leader().await.ok()
    })
    .await;
    match role {
        Role::Leader => leader,
        Role::Follower => cluster
            .names()
            .into_iter()
            .find(|name| *name != leader)
            .unwrap(),
    }
}

/// A plan for this node alone, executed as soon as every gate is green.
async fn start(cluster: &Cluster, release: &Release, url: &str, node: &str) -> PlanId {
    let mut body = acts::body(cluster, release, url, OnNodeFailure::RollbackNode);
    body["nodes"] = json!([node]);
    let (api, version) = (&cluster.api, &release.version);
    let created = api
        .post("/plan", &body, &format!("create-{version}"), PATIENCE)
        .await
        .unwrap();
    let plan = created.pointer("/plan/id").and_then(Value::as_str).unwrap();
    let mut tries = 0;
    wait_for(PATIENCE, "the plan is executed", async || {
        tries += 1;
        let key = format!("execute-{version}-{tries}");
        let body = json!({ "plan_id": plan });
        api.post("/execute", &body, &key, PATIENCE).await.ok()
    })
    .await;
    plan.parse().unwrap()
}

async fn strike(cluster: &mut Cluster, observer: &Observer, node: &str, victim: Victim) {
    if victim != Victim::Daemon {
        // Between two lives there is none to take.
        if let Some(process) = observer.record().running(node) {
            stage::kill(process.life.pid);
        }
    }
    if victim != Victim::Database {
        cluster.host_mut(node).unwrap().kill().await.unwrap();
        cluster.start_daemon(node).unwrap();
    }
}

fn said<T>(result: Result<T, aegis_updates::demo::error::Error>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

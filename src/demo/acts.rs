//! The four acts: what plan each runs, what happens beside it, and what must come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::act::{self, Act, Expected};
use super::cluster::Cluster;
use super::error::Error;
use super::passes::StepFact;
use super::releases::{Recipe, Release};
use super::scene::{CONNECTIONS, Order, RATE_MIN_PER_S, Scene, Script};
use super::timings::Timings;
use super::wait::wait_for;
use crate::base::ids::PlanId;
use crate::plans::strategy::{Deadlines, OnNodeFailure, Strategy};

/// Far below what the load sends in the shortest act.
const REQUESTS_MIN: usize = 1_000;
/// Half of the load writes.
const WRITES_MIN: usize = 400;
/// Of a step to be entered, staging and handoff included.
const STEP_PATIENCE: Duration = Duration::from_secs(90);

/// An act that has ended, and the plan that it ran.
#[derive(Debug)]
pub struct Played {
    pub act: Act,
    pub plan: PlanId,
    /// What ran before; a rollback of the plan goes back to it.
    pub before: Release,
}

/// (a) Every node to `recipe`, followers first, the leader's last.
pub async fn roll(cluster: &mut Cluster, recipe: &Recipe) -> Result<Played, Error> {
    let before = cluster.installed.clone();
    let (release, url) = cluster.publish(recipe, &file_name(recipe)).await?;
    let title = format!("a roll {} → {}", before.version, release.version);
    let order = Order::Roll(body(cluster, &release, &url, OnNodeFailure::default()));
    let script = Script::new("a", title, order);
    let mut scene = Scene::begin(cluster, script).await?;
    let plan = scene.plan;
    let status = scene.until_ended(cluster).await?;
    let expected = expected(cluster, &release, &before, "Completed");
    cluster.installed = release;
    let act = scene.end(cluster, status, expected).await?;
    Ok(Played { act, plan, before })
}

/// (b) The second node in the order never becomes healthy: both nodes go back.
pub async fn bad_second(cluster: &mut Cluster) -> Result<Played, Error> {
    let before = cluster.installed.clone();
    let order = order(cluster).await?;
    let (Some(first), Some(second)) = (order.first(), order.get(1)) else {
        return Err(Error(
            "an act with a second node needs two nodes".to_owned(),
        ));
    };
    let recipe = Recipe {
        only_nodes: vec![second.clone()],
        ..Recipe::faulty("1.2.0", "never-healthy")
    };
    let (release, url) = cluster.publish(&recipe, &file_name(&recipe)).await?;
    let title = format!(
        "{} never becomes healthy on {second}, the second node; rollback_all",
        release.version
    );
    let order = Order::Roll(body(cluster, &release, &url, OnNodeFailure::RollbackAll));
    let script = Script::new("b", title, order);
    let mut scene = Scene::begin(cluster, script).await?;
    let plan = scene.plan;
    let status = scene.until_ended(cluster).await?;
    let mut expected = expected(cluster, &before, &release, "RolledBack");
    expected.taken = BTreeSet::from([first.clone(), second.clone()]);
    // The third is never taken, so it does not matter that it leads.
    expected.order = act::Order::NoneWhileLeading;
    for (name, database) in &mut expected.databases {
        // Forward and back; the third never.
        database.starts = if expected.taken.contains(name) { 2 } else { 0 };
    }
    let act = scene.end(cluster, status, expected).await?;
    Ok(Played { act, plan, before })
}

/// (c) The leader's daemon is killed while a node is down, and started again.
pub async fn leader_killed(cluster: &mut Cluster) -> Result<Played, Error> {
    let before = cluster.installed.clone();
    let recipe = Recipe::sound("1.3.0");
    let (release, url) = cluster.publish(&recipe, &file_name(&recipe)).await?;
    let title = format!(
        "a roll {} → {} in which the leader's daemon is killed while a node is down",
        before.version, release.version
    );
    let order = Order::Roll(body(cluster, &release, &url, OnNodeFailure::default()));
    let script = Script::new("c", title, order);
    let mut scene = Scene::begin(cluster, script).await?;
    let plan = scene.plan;
    let leader = when_a_node_is_down(&mut scene).await?;
    cluster.host_mut(&leader)?.kill().await?;
    scene.live.now(
        "demo",
        &format!("killed the daemon of {leader}, which led, with -9"),
    );
    let back = tokio::time::Instant::now() + cluster.tools.timings.daemon_down.as_duration();
    while tokio::time::Instant::now() < back {
        scene.follow().await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    cluster.start_daemon(&leader)?;
    scene
        .live
        .now("demo", &format!("started the daemon of {leader} again"));
    let status = scene.until_ended(cluster).await?;
    let mut expected = expected(cluster, &release, &before, "Completed");
    // Leadership was moved by force.
    expected.order = act::Order::NoneWhileLeading;
    cluster.installed = release;
    let act = scene.end(cluster, status, expected).await?;
    Ok(Played { act, plan, before })
}

/// (d) A finished roll is taken back by one request, with nothing to download from.
pub async fn taken_back(cluster: &mut Cluster, roll: &Played) -> Result<Played, Error> {
    let (before, release) = (cluster.installed.clone(), roll.before.clone());
    cluster.stop_origin().await;
    let title = format!(
        "{} is taken back: {} → {}, with the origin stopped",
        roll.plan, before.version, release.version
    );
    let order = Order::Rollback(roll.plan);
    let script = Script::new("d", title, order);
    let mut scene = Scene::begin(cluster, script).await?;
    let plan = scene.plan;
    let status = scene.until_ended(cluster).await?;
    let expected = expected(cluster, &release, &before, "Completed");
    cluster.installed = release;
    let act = scene.end(cluster, status, expected).await?;
    Ok(Played { act, plan, before })
}

/// The body of `POST /plan`, with the demo's short waits.
pub fn body(
    cluster: &Cluster,
    release: &Release,
    url: &str,
    on_node_failure: OnNodeFailure,
) -> Value {
    json!({
        "version": release.version,
        "binary_url": url,
        "sha256": release.sha256,
        "strategy": strategy(&cluster.tools.timings, on_node_failure),
    })
}

fn strategy(timings: &Timings, on_node_failure: OnNodeFailure) -> Strategy {
    Strategy {
        on_node_failure,
        deadlines: Deadlines {
            drain_grace: timings.drain_grace,
            ready_settle: timings.ready_settle,
            verify: timings.verify,
            rejoin: timings.rejoin,
            soak: timings.soak,
            health_grace: timings.health_grace,
            ..Deadlines::default()
        },
        ..Strategy::default()
    }
}

/// Every node taken once, and running `release` in the end.
pub fn expected(cluster: &Cluster, release: &Release, other: &Release, status: &str) -> Expected {
    let database = act::Database {
        digest: release.sha256.clone(),
        version: release.version.clone(),
        starts: 1,
    };
    let names = cluster.names();
    let databases: BTreeMap<_, _> = names
        .iter()
        .map(|name| (name.clone(), database.clone()))
        .collect();
    Expected {
        status: status.to_owned(),
        databases,
        digests_allowed: BTreeSet::from([release.sha256.clone(), other.sha256.clone()]),
        taken: names.into_iter().collect(),
        order: act::Order::LeaderLast,
        down_together_max: 1,
        failures: act::Failures::None,
        requests_min: REQUESTS_MIN,
        writes_min: WRITES_MIN,
        rate_min_per_s: RATE_MIN_PER_S,
        connections_min: CONNECTIONS,
    }
}

/// Followers by name, the leader's node last.
async fn order(cluster: &Cluster) -> Result<Vec<String>, Error> {
    let leader = cluster.leader().await?;
    let mut names = cluster.names();
    names.sort_by_key(|name| (*name == leader, name.clone()));
    Ok(names)
}

/// Waits until some node's database is being restarted; the node whose daemon leads at that moment.
async fn when_a_node_is_down(scene: &mut Scene) -> Result<String, Error> {
    let restarting = |fact: &StepFact| fact.step == "Restarting";
    let mut failed = None;
    let what = "a node is down";
    let found = wait_for(STEP_PATIENCE, what, async || match scene.follow().await {
        Ok(facts) => facts.iter().any(restarting).then_some(()),
        Err(error) => {
            failed = Some(error);
            Some(())
        }
    });
    found.await?;
    if let Some(error) = failed {
        return Err(error);
    }
    let leader = scene.journal.leader().map(ToString::to_string);
    leader.ok_or_else(|| Error("nobody is known to lead".to_owned()))
}

fn file_name(recipe: &Recipe) -> String {
    format!("database-{}", recipe.version)
}

//! What is shown with the real database, and what must come of each act.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use aegis_updates::base::duration::Millis;
use aegis_updates::demo::act::{self, Act, Expected, Failures};
use aegis_updates::demo::acts::{self, body};
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::error::Error;
use aegis_updates::demo::haproxy::Haproxy;
use aegis_updates::demo::releases::Release;
use aegis_updates::demo::scene::{Order, Scene, Script};
use aegis_updates::plans::strategy::OnNodeFailure;
use serde_json::json;

use crate::files;

/// Of the roll that counts.
const WRITES_MIN: usize = 1_000;
/// Load, HAProxy, databases and daemons share one machine with all else.
const RATE_MIN_PER_S: f64 = 100.0;
/// Of acts that are over within seconds.
const REQUESTS_MIN_SHORT: usize = 200;
const WRITES_MIN_SHORT: usize = 50;

pub async fn play(cluster: &mut Cluster, new: &Release) -> Result<Vec<Act>, Error> {
    let path = |cluster: &Cluster, name: &str| cluster.directory().join(name);
    let mut acts = vec![roll(cluster, new).await?];
    let truncated = files::truncated(new, "0.9.1", &path(cluster, "truncated"))?;
    let title = "a truncated file, under its own digest, stops at staging";
    acts.push(refused(cluster, "b", title, &truncated).await?);
    let foreign = files::for_another_machine(new, "0.9.2", &path(cluster, "foreign"))?;
    let title = "a file for another machine stops at staging";
    acts.push(refused(cluster, "c", title, &foreign).await?);
    let misnamed = files::padded(new, "0.9.3", &path(cluster, "misnamed"))?;
    acts.push(wrong_version(cluster, &misnamed).await?);
    let again = files::padded(new, &new.version, &path(cluster, "again"))?;
    acts.push(control(cluster, "e", None, &again).await?);
    acts.push(control(cluster, "f", Some(Millis(1_000)), new).await?);
    Ok(acts)
}

/// The roll that everything is about.
async fn roll(cluster: &mut Cluster, new: &Release) -> Result<Act, Error> {
    let before = cluster.installed.clone();
    let expected = expected_roll(cluster, new, &before);
    let title = format!("a roll {} → {}", before.version, new.version);
    let act = run(cluster, "a", title, new, expected, &[]).await?;
    cluster.installed = new.clone();
    Ok(act)
}

/// Every node taken once, under traffic that means something.
pub fn expected_roll(cluster: &Cluster, release: &Release, before: &Release) -> Expected {
    Expected {
        writes_min: WRITES_MIN,
        ..expected(cluster, release, before, "Completed")
    }
}

/// What is no program for this host never gets beyond staging; no process changes.
async fn refused(
    cluster: &mut Cluster,
    name: &'static str,
    title: &str,
    bad: &Release,
) -> Result<Act, Error> {
    let before = &cluster.installed.clone();
    let expected = Expected {
        taken: BTreeSet::new(),
        databases: with_starts(&expected(cluster, before, before, "Failed"), |_| 0),
        digests_allowed: BTreeSet::from([before.sha256.clone()]),
        order: act::Order::NoneWhileLeading,
        down_together_max: 0,
        requests_min: REQUESTS_MIN_SHORT,
        writes_min: WRITES_MIN_SHORT,
        ..expected(cluster, before, bad, "Failed")
    };
    run(cluster, name, title.to_owned(), bad, expected, &[]).await
}

/// Sound bits that call themselves otherwise than the plan does: the first node goes back by itself.
async fn wrong_version(cluster: &mut Cluster, misnamed: &Release) -> Result<Act, Error> {
    let before = &cluster.installed.clone();
    let first = first_follower(cluster).await?;
    let expected = Expected {
        // Forward and back; the others never.
        databases: with_starts(&expected(cluster, before, misnamed, "RolledBack"), |name| {
            if name == first { 2 } else { 0 }
        }),
        taken: BTreeSet::from([first.clone()]),
        order: act::Order::NoneWhileLeading,
        ..expected(cluster, before, misnamed, "RolledBack")
    };
    let title = format!(
        "a plan that expects {} of a binary that is {}: {first} goes back by itself",
        misnamed.version, before.version
    );
    run(cluster, "d", title, misnamed, expected, &[]).await
}

/// The same kind of roll without the time for balancers to notice. A drain still waits until nobody is
/// connected, which under load is not before the balancer has noticed: `drain` shortens that wait too.
async fn control(
    cluster: &mut Cluster,
    name: &'static str,
    drain: Option<Millis>,
    again: &Release,
) -> Result<Act, Error> {
    let before = cluster.installed.clone();
    let expected = Expected {
        failures: Failures::Shown,
        ..expected(cluster, again, &before, "Completed")
    };
    let mut title = format!(
        "control: other bits of {}, rolled out with drain_grace = 0",
        again.version
    );
    let mut deadlines = vec![("drain_grace", Millis(0))];
    if let Some(drain) = drain {
        // Writing to a string cannot fail.
        let _ = write!(title, " and drain_timeout = {drain}");
        deadlines.push(("drain", drain));
    }
    let act = run(cluster, name, title, again, expected, &deadlines).await;
    cluster.installed = again.clone();
    act
}

fn expected(cluster: &Cluster, release: &Release, other: &Release, status: &str) -> Expected {
    Expected {
        rate_min_per_s: RATE_MIN_PER_S,
        ..acts::expected(cluster, release, other, status)
    }
}

async fn run(
    cluster: &mut Cluster,
    name: &'static str,
    title: String,
    release: &Release,
    expected: Expected,
    deadlines: &[(&str, Millis)],
) -> Result<Act, Error> {
    let (served, url) = cluster.serve(release).await?;
    let mut plan = body(cluster, &served, &url, OnNodeFailure::default());
    for (deadline, value) in deadlines {
        plan["strategy"]["deadlines"][deadline] = json!(value);
    }
    let script = Script::new(name, title, Order::Roll(plan));
    let front = Haproxy::start(cluster, crate::AGENT_EVERY)?;
    let mut scene = Scene::begin_behind(Box::new(front), cluster, script).await?;
    let status = scene.until_ended(cluster).await?;
    scene.end(cluster, status, expected).await
}

fn with_starts(
    expected: &Expected,
    starts: impl Fn(&str) -> usize,
) -> BTreeMap<String, act::Database> {
    let each = |(name, database): (&String, &act::Database)| {
        let database = act::Database {
            starts: starts(name),
            ..database.clone()
        };
        (name.clone(), database)
    };
    expected.databases.iter().map(each).collect()
}

async fn first_follower(cluster: &Cluster) -> Result<String, Error> {
    let leader = cluster.leader().await?;
    let followers = cluster.names().into_iter().filter(|name| *name != leader);
    let first = followers.min();
    first.ok_or_else(|| Error("there is no follower".to_owned()))
}

//! The power of one host, or of all at once, is cut in the middle of a roll. What the API acknowledged is
//! there afterwards, no member has gone back, the installed file is wholly the old or the new one, and
//! the plan goes on to its end. `CUTS=n` says how often; every fifth cut takes all hosts.

pub mod disks;

use std::path::PathBuf;
use std::time::Duration;

use aegis_updates::demo::acts;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::journal::{Journal, Record};
use aegis_updates::demo::releases::Recipe;
use aegis_updates::journal::fact::Fact;
use aegis_updates::plans::strategy::OnNodeFailure;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use self::disks::{Disks, can_be_cut};
use crate::one_node::{host, leader};
use crate::stage::{self, PATIENCE};
use crate::support::release::digest_of;
use crate::support::wait::wait_for;
use crate::tally::Tally;

/// From the cut to the plan's end: three nodes, and a database that waits for its peers.
const BOUND: Duration = Duration::from_secs(180);
/// Within this a roll of three nodes is somewhere in its middle.
const MOMENT_MAX_MS: u64 = 12_000;
const ENDS: [&str; 5] = ["Completed", "Failed", "RolledBack", "Cancelled", "Paused"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "power cuts: minutes, and loop devices; run on demand with CUTS=n SEED=n"]
async fn what_was_acknowledged_survives_power_cuts() {
    if !can_be_cut() {
        return;
    }
    let number = |name: &str, default: u64| {
        let said = std::env::var(name).ok();
        said.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (cuts, seed) = (number("CUTS", 10), number("SEED", 1));
    println!("CUTS={cuts} SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut tally = Tally::new("power-cuts");
    let mut cluster = stage::cluster().await;
    aegis_updates::demo::cluster::end::end_all_below(cluster.directory());
    let disks = Disks::under(&cluster);
    for name in cluster.names() {
        cluster.start_daemon(&name).unwrap();
    }
    for cut in 0..cuts {
        let all = cut % 5 == 4;
        let outcome = play(&mut cluster, &disks, &mut random, cut, all).await;
        println!("cut {cut} all={all}: {outcome:?}");
        let bad = outcome.is_err();
        tally.ran(if all { "all" } else { "one" }, outcome);
        if bad {
            break;
        }
    }
    drop(disks);
    println!("at least: one={} all={}", cuts - cuts / 5, cuts / 5);
    tally.end();
}

async fn play(
    cluster: &mut Cluster,
    disks: &Disks,
    random: &mut StdRng,
    cut: u64,
    all: bool,
) -> Result<String, String> {
    let observer = stage::observe(cluster).await;
    let old: Vec<String> = installed(cluster);
    let version = format!("1.0.{}", cut + 1);
    let published = cluster.publish(&Recipe::sound(&version), &version).await;
    let (release, url) = published.map_err(|error| error.to_string())?;
    let mut journal = Journal::new(cluster.api.clone());
    journal.read_on().await.map_err(|error| error.to_string())?;
    let begin = journal.records.len();
    let mut body = acts::body(cluster, &release, &url, OnNodeFailure::RollbackNode);
    body["strategy"]["rollback_notice"] = json!("2s");
    let plan = begin_plan(cluster, &body, &version).await;
    sleep(Duration::from_millis(random.random_range(0..MOMENT_MAX_MS))).await;

    let names = cluster.names();
    let struck: Vec<String> = match all {
        true => names,
        false => vec![names[random.random_range(0..names.len())].clone()],
    };
    // Acknowledged just before: it must be there after.
    let key = format!("acknowledged-{cut}");
    let path = "/cluster/join-tokens";
    let token = cluster.api.post(path, &json!({}), &key, PATIENCE).await;
    let token = token.map_err(|error| error.to_string())?;
    journal.read_on().await.map_err(|error| error.to_string())?;
    let before = journal.records.clone();
    let terms = terms(cluster).await;
    let directories: Vec<PathBuf> = struck
        .iter()
        .map(|name| host(cluster, name).directory.clone())
        .collect();
    disks.cut(&directories).await;
    for (found, old) in installed(cluster).iter().zip(&old) {
        if found != old && *found != release.sha256 {
            return Err(format!(
                "I9: {found} is neither {old} nor {}",
                release.sha256
            ));
        }
    }
    for name in &struck {
        // Its child has ended; what is left is the record of it.
        let _ = cluster.host_mut(name).unwrap().kill().await;
        cluster.start_daemon(name).unwrap();
    }
    survived(cluster, &before, &plan, &key, &token).await?;
    not_back(cluster, &terms).await?;
    let ends = |fact: &Fact| matches!(fact, Fact::PlanStatus { plan: of, to, .. } if of.to_string() == plan && ENDS.contains(&to.as_str()));
    let ended = stage::until(&mut journal, begin, BOUND, ends).await;
    let ended = ended.map_err(|last| format!("I11: no end within {BOUND:?}; last: {last}"))?;
    let Fact::PlanStatus { to, .. } = ended.fact else {
        return Err("another fact".to_owned());
    };
    stage::all_healthy(cluster, &observer).await;
    if to == "Paused" {
        let (path, key) = (format!("/plans/{plan}/cancel"), format!("cancel-{cut}"));
        let cancelled = cluster.api.post(&path, &json!({}), &key, PATIENCE).await;
        cancelled.map_err(|error| error.to_string())?;
    }
    Ok(to)
}

fn installed(cluster: &Cluster) -> Vec<String> {
    let hosts = cluster.hosts.iter();
    hosts.map(|host| digest_of(&host.install_path())).collect()
}

async fn begin_plan(cluster: &Cluster, body: &Value, version: &str) -> String {
    leader(cluster).await;
    let key = format!("create-{version}");
    let created = cluster
        .api
        .post("/plan", body, &key, PATIENCE)
        .await
        .unwrap();
    let plan = created.pointer("/plan/id").and_then(Value::as_str).unwrap();
    let mut tries = 0;
    wait_for(PATIENCE, "the plan is executed", async || {
        tries += 1;
        let key = format!("execute-{version}-{tries}");
        let body = json!({ "plan_id": plan });
        cluster
            .api
            .post("/execute", &body, &key, PATIENCE)
            .await
            .ok()
    })
    .await;
    plan.to_owned()
}

/// I12: the plan, every fact that was read, and the answer that a key was given.
async fn survived(
    cluster: &Cluster,
    before: &[Record],
    plan: &str,
    key: &str,
    token: &Value,
) -> Result<(), String> {
    leader(cluster).await;
    let path = format!("/plans/{plan}");
    let found = cluster.api.get(&path, PATIENCE).await;
    found.map_err(|error| format!("I12: the plan is gone: {error}"))?;
    let mut journal = Journal::new(cluster.api.clone());
    wait_for(PATIENCE, "the journal is read", async || {
        journal.read_on().await.ok()?;
        (journal.records.len() >= before.len()).then_some(())
    })
    .await;
    for (was, is) in before.iter().zip(&journal.records) {
        if (was.place, &was.fact) != (is.place, &is.fact) {
            return Err(format!("I12: {was:?} has become {is:?}"));
        }
    }
    let again = cluster
        .api
        .post("/cluster/join-tokens", &json!({}), key, PATIENCE)
        .await;
    let again = again.map_err(|error| error.to_string())?;
    match again["id"] == token["id"] {
        true => Ok(()),
        false => Err(format!("I12: {token} was acknowledged, and now {again}")),
    }
}

async fn terms(cluster: &Cluster) -> Vec<u64> {
    let mut terms = Vec::new();
    for host in &cluster.hosts {
        let member = host.ports.api.address();
        let path = "/cluster?consistency=local";
        let answer = cluster.api.at(&member, "GET", path, None, None).await;
        terms.push(
            answer
                .ok()
                .and_then(|answer| answer.body["term"].as_u64())
                .unwrap_or(0),
        );
    }
    terms
}

/// I15, as far as it shows from outside: no member's term is lower than it said before.
async fn not_back(cluster: &Cluster, before: &[u64]) -> Result<(), String> {
    let after = wait_for(PATIENCE, "every member answers", async || {
        let terms = terms(cluster).await;
        terms.iter().all(|term| *term > 0).then_some(terms)
    })
    .await;
    match after
        .iter()
        .zip(before)
        .all(|(after, before)| after >= before)
    {
        true => Ok(()),
        false => Err(format!("I15: terms {before:?} became {after:?}")),
    }
}

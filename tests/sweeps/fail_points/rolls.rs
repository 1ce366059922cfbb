//! Labels that a daemon comes past while a node is rolled: it dies there, is started again, and the plan
//! goes on to its end.

use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::journal::Journal;
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::journal::fact::Fact;

use super::armed;
use super::labels::{Scene, chosen};
use crate::one_node::{self, host};
use crate::stage::{self, PATIENCE};
use crate::support::release::digest_of;
use crate::tally::Tally;

/// From the crash to the plan's end.
const BOUND: Duration = Duration::from_secs(120);

/// Cells that one cluster serves before the next is formed: logs and kept binaries grow.
const CELLS_MAX: usize = 25;
/// A probe that has ended before it was noted is not noted, and its labels are not met.
const TRIES_MAX: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_dies_at_each_label_of_a_roll() {
    let mut tally = Tally::new("fail-points-roll");
    let cells = chosen(|scene| matches!(scene, Scene::Roll(_) | Scene::Handoff | Scene::Restart));
    for part in cells.chunks(CELLS_MAX) {
        sweep(part, &mut tally).await;
    }
    tally.end();
}

async fn sweep(cells: &[(&'static str, Scene)], tally: &mut Tally) {
    let mut present = None;
    // Versions grow through all tries.
    let mut number = 0;
    for (label, scene) in cells {
        let mut outcome = Err(String::new());
        for _ in 0..TRIES_MAX {
            let mut cluster = match present.take() {
                Some(cluster) => cluster,
                None => armed::cluster().await,
            };
            outcome = play(&mut cluster, label, *scene, number).await;
            number += 1;
            println!("{label:<24}{outcome:?}");
            match &outcome {
                Ok(_) => present = Some(cluster),
                Err(why) if why.starts_with(armed::NOT_MET) => continue,
                // After a violation nothing that follows would mean anything.
                Err(_) => println!("its directory: {}", cluster.keep().display()),
            }
            break;
        }
        tally.ran(label, outcome);
    }
}

/// How the plan ended.
async fn play(
    cluster: &mut Cluster,
    label: &str,
    scene: Scene,
    number: usize,
) -> Result<String, String> {
    let observer = stage::observe(cluster).await;
    let (rolled, dying) = who(cluster, scene, number).await;
    let version = format!("1.0.{}", number + 1);
    let published = cluster.publish(&Recipe::sound(&version), &version).await;
    let (release, url) = published.map_err(|error| error.to_string())?;
    let old = digest_of(&host(cluster, &rolled).install_path());
    let mut journal = Journal::new(cluster.api.clone());
    journal.read_on().await.map_err(|error| error.to_string())?;
    let begin = journal.records.len();
    let directory = host(cluster, &dying).directory.clone();
    let nth = match scene {
        Scene::Roll(nth) => nth,
        _ => 1,
    };
    armed::arm(&directory, label, nth);
    if scene == Scene::Restart {
        cluster.host_mut(&dying).unwrap().kill().await.unwrap();
        cluster.start_daemon(&dying).unwrap();
    }
    let plan = one_node::start(cluster, &release, &url, &rolled).await;
    armed::died(cluster.host_mut(&dying).unwrap(), label, PATIENCE).await?;
    let both = [old.as_str(), release.sha256.as_str()];
    armed::installed(host(cluster, &rolled), &both)?;
    cluster.start_daemon(&dying).unwrap();
    let ends = |fact: &Fact| match fact {
        Fact::PlanStatus { plan: of, to, .. } if *of == plan => {
            ["Completed", "Failed", "RolledBack", "Cancelled", "Paused"].contains(&to.as_str())
        }
        _ => false,
    };
    let ended = stage::until(&mut journal, begin, BOUND, ends).await;
    let ended = ended.map_err(|last| format!("I11: no end within {BOUND:?}; last: {last}"))?;
    let Fact::PlanStatus { to, detail, .. } = ended.fact else {
        return Err("another fact".to_owned());
    };
    // No crash of one daemon is a reason to give a sound release up.
    if to != "Completed" {
        return Err(format!("ended {to}: {detail:?}"));
    }
    armed::installed(host(cluster, &rolled), &[&release.sha256])?;
    stage::all_healthy(cluster, &observer).await;
    judge(&observer, &both, &rolled)?;
    armed::members_agree(cluster).await;
    Ok(to)
}

/// Every process that the rolled node's database had in this cell ran the old or the new binary.
fn judge(observer: &Observer, allowed: &[&str], rolled: &str) -> Result<(), String> {
    let record = observer.record();
    let unknown = record.processes.iter().find(|process| {
        let digest = process.digest.as_deref();
        process.database == rolled && digest.is_some_and(|digest| !allowed.contains(&digest))
    });
    match unknown {
        None => Ok(()),
        Some(process) => Err(format!("I5: an unknown binary ran: {process:?}")),
    }
}

/// The node that is rolled, and the one whose daemon dies. In every other cell it is the leader's.
async fn who(cluster: &Cluster, scene: Scene, number: usize) -> (String, String) {
    let leader = one_node::leader(cluster).await;
    let names = cluster.names();
    let follower = names.into_iter().find(|name| *name != leader).unwrap();
    match scene {
        Scene::Handoff => (leader, follower),
        _ if number.is_multiple_of(2) => (follower.clone(), follower),
        _ => (leader.clone(), leader),
    }
}

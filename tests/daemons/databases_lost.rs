//! All daemons live, and two of three databases die again and again: that is a loss of quorum too, when it
//! lasts longer than the grace, and nothing when it does not.

use std::collections::BTreeSet;
use std::future::ready;

use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::process::Life;
use aegis_updates::journal::fact::Fact;
use aegis_updates::plans::progress::Step;
use tokio::time::Instant;

use crate::rolls::{Roll, Stand, all_run};
use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_until;

/// Their resident parents start them again half a second and a second later.
const SHORT_DEATHS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_down_for_longer_than_the_grace_take_everything_back() {
    let cluster = stage::cluster().await;
    let observer = stage::observe(&cluster).await;
    let mut roll = Roll::begin(&cluster).await;
    let stand = roll.until_second_enters(Step::Soaking).await;
    let in_hand = life(&observer, &stand.in_hand).unwrap();
    let dying = [stand.updated.clone(), stand.last.clone()];
    let struck = Instant::now();
    let mut killed = BTreeSet::new();
    let keep_killing = wait_until(2 * PATIENCE, "the loss is found", || {
        kill_new(&observer, &dying, &mut killed);
        ready(false)
    });
    tokio::select! {
        () = keep_killing => {}
        _ = roll.until("the loss is found", |fact| matches!(fact, Fact::QuorumLost { .. })) => {}
    }
    let found = struck.elapsed();
    let grace = cluster.tools.timings.quorum_loss_grace.as_duration();
    assert!(found >= grace, "found after {found:?} already");
    assert_eq!(
        life(&observer, &stand.in_hand),
        Some(in_hand),
        "a third database was stopped while two were down"
    );
    let losses = roll.losses();
    println!("found {found:?} after the first death: {losses:?}");
    assert!(
        dying.iter().all(|name| losses[0].contains(name.as_str())),
        "{losses:?}"
    );

    assert_eq!(
        roll.end().await,
        "RolledBack",
        "{:#?}",
        roll.facts().collect::<Vec<_>>()
    );
    all_run(&cluster, &observer, &roll.old).await;
    back_by_plan(&roll, &stand);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_down_for_shorter_than_the_grace_change_nothing() {
    let cluster = stage::cluster().await;
    let observer = stage::observe(&cluster).await;
    let mut roll = Roll::begin(&cluster).await;
    let stand = roll.until_second_enters(Step::Soaking).await;
    let dying = [stand.updated.clone(), stand.last.clone()];
    let mut killed = BTreeSet::new();
    let struck_ms = cluster.tools.clock.now_ms();
    wait_until(PATIENCE, "both have died as often as they shall", || {
        if killed.len() < SHORT_DEATHS * dying.len() {
            kill_new(&observer, &dying, &mut killed);
        }
        ready(killed.len() >= SHORT_DEATHS * dying.len())
    })
    .await;
    let (down, _) = observer.record().down_together_max(struck_ms, u64::MAX);
    assert_eq!(down, 2, "both were to be down together, and nobody else");
    assert_eq!(roll.end().await, "Completed", "{:?}", roll.losses());
    assert_eq!(roll.losses(), Vec::<String>::new());
    all_run(&cluster, &observer, &roll.new).await;
}

fn life(observer: &Observer, name: &str) -> Option<Life> {
    Some(observer.record().running(name)?.life)
}

/// Kills each database's present process, once.
fn kill_new(observer: &Observer, names: &[String], killed: &mut BTreeSet<Life>) {
    for life in names.iter().filter_map(|name| life(observer, name)) {
        if killed.insert(life) {
            stage::kill(life.pid);
        }
    }
}

/// The plan took back the two nodes that it had updated, and had nothing to take back on the third.
fn back_by_plan(roll: &Roll, stand: &Stand) {
    let back: BTreeSet<&str> = roll
        .facts()
        .filter_map(|fact| match fact {
            Fact::NodeStatus { node, to, .. } if to == "RolledBack" => Some(node.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(back, BTreeSet::from([&*stand.updated, &*stand.in_hand]));
}

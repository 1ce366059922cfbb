//! The members lose their quorum while one node is `Updated` and another's database is down by plan: the
//! daemons of all others are killed, or frozen. The node in hand serves again without anybody's leave;
//! afterwards a longer outage is answered by going back, a shorter one by going on.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_updates::base::duration::Millis;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::process::Life;
use aegis_updates::demo::record::Health;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::timings::Timings;
use aegis_updates::demo::wire;
use aegis_updates::plans::progress::Step;
use hyper::StatusCode;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::callers::{Callers, Subject, principals};
use crate::rolls::{Roll, Stand, all_run};
use crate::stage::{self, PATIENCE};
use crate::support::wait::{wait_for, wait_until};

/// How long the old release takes to stop once its port is closed: time in which its database is down
/// and the clients get going.
const STOP_MS: u64 = 2_000;
/// The outage that changes nothing, and a grace that it stays within however slow the machine starts
/// daemons and elects.
const SHORTER: Duration = Duration::from_secs(5);
const GRACE_OF_SHORTER: Millis = Millis(15_000);
/// What a longer outage lasts at least beyond the grace.
const BEYOND: Duration = Duration::from_secs(2);

/// What happens to the other daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Killed,
    Frozen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Longer,
    Shorter,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_for_longer_than_the_grace_everything_goes_back() {
    play(Fate::Killed, Outage::Longer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_for_shorter_than_the_grace_the_roll_goes_on() {
    play(Fate::Killed, Outage::Shorter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_for_longer_than_the_grace_everything_goes_back() {
    play(Fate::Frozen, Outage::Longer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_for_shorter_than_the_grace_the_roll_goes_on() {
    play(Fate::Frozen, Outage::Shorter).await;
}

async fn play(fate: Fate, outage: Outage) {
    let mut timings = Timings::DEMO;
    if outage == Outage::Shorter {
        timings.quorum_loss_grace = GRACE_OF_SHORTER;
    }
    let old = Recipe::faulty("1.0.0", &format!("slow-stop={STOP_MS}"));
    let mut cluster = stage::cluster_on(timings, &old).await;
    let observer = stage::observe(&cluster).await;
    let principals = principals(&cluster.api).await;
    let mut roll = Roll::begin(&cluster).await;
    let stand = roll.until_second_enters(Step::Restarting).await;
    let in_hand = stand.in_hand.clone();
    let callers = Callers::start(&principals, &subject(&cluster, &roll, &stand));
    wait_until(PATIENCE, "the database in hand is down", async || {
        !healthy(&observer, &in_hand)
    })
    .await;
    let warm = callers.answered() + 20;
    wait_until(PATIENCE, "clients are answered", async || {
        callers.answered() >= warm
    })
    .await;

    let others = [stand.updated.clone(), stand.last.clone()];
    let lives = others.each_ref().map(|name| life(&observer, name));
    let lost = Instant::now();
    take_away(&mut cluster, &others, fate).await;
    assert!(!healthy(&observer, &in_hand), "it was up before the loss");
    let served = serves_again(&cluster, &observer, &in_hand, &roll.new.version, lost).await;
    let grace = cluster.tools.timings.quorum_loss_grace.as_duration();
    let long_enough = match outage {
        Outage::Longer => grace + BEYOND,
        Outage::Shorter => SHORTER,
    };
    wait_until(PATIENCE, "the outage is over", async || {
        lost.elapsed() >= long_enough
    })
    .await;
    assert_eq!(
        others.each_ref().map(|name| life(&observer, name)),
        lives,
        "a database beside a daemon that was away is another process"
    );
    let restored = Instant::now();
    bring_back(&mut cluster, &others, fate).await;
    let asks = callers.finish().await;
    println!(
        "{fate:?}, {outage:?}: the database in hand served {served:?} after the loss, which lasted {:?}",
        restored - lost
    );

    let status = roll.end().await;
    let (expected, release) = match outage {
        Outage::Longer => ("RolledBack", &roll.old),
        Outage::Shorter => ("Completed", &roll.new),
    };
    assert_eq!(status, expected, "{:#?}", roll.facts().collect::<Vec<_>>());
    let losses = roll.losses();
    assert_eq!(
        losses.len(),
        usize::from(outage == Outage::Longer),
        "{losses:?}"
    );
    all_run(&cluster, &observer, release).await;
    starts(&observer, roll.from_ms, &stand, outage);
    asks.judge(lost, restored, &tokens(&cluster).await);
}

/// Forward, and back where it went back; the last was never taken before the loss.
fn starts(observer: &Observer, from_ms: u64, stand: &Stand, outage: Outage) {
    let record = observer.record();
    let expected = match outage {
        Outage::Longer => [2, 2, 0],
        Outage::Shorter => [1, 1, 1],
    };
    let names = [&stand.updated, &stand.in_hand, &stand.last];
    let starts = names.map(|name| record.starts(name, from_ms));
    assert_eq!(starts, expected, "{:#?}", record.processes);
}

fn subject(cluster: &Cluster, roll: &Roll, stand: &Stand) -> Subject {
    Subject {
        member: cluster.host(&stand.in_hand).unwrap().ports.api.address(),
        plan: roll.plan.to_string(),
        node: stand.last.clone(),
        body: roll.body.clone(),
    }
}

pub async fn take_away(cluster: &mut Cluster, names: &[String], fate: Fate) {
    let pids = names
        .iter()
        .map(|name| cluster.host(name).unwrap().daemon_pid().unwrap());
    let signal = match fate {
        Fate::Killed => Signal::KILL,
        Fate::Frozen => Signal::STOP,
    };
    pids.collect::<Vec<_>>()
        .into_iter()
        .for_each(|pid| stage::signal(pid, signal));
    if fate == Fate::Killed {
        for name in names {
            cluster.host_mut(name).unwrap().kill().await.unwrap();
        }
    }
}

pub async fn bring_back(cluster: &mut Cluster, names: &[String], fate: Fate) {
    for name in names {
        match fate {
            Fate::Killed => cluster.start_daemon(name).unwrap(),
            Fate::Frozen => {
                let pid = cluster.host(name).unwrap().daemon_pid().unwrap();
                stage::signal(pid, Signal::CONT);
            }
        }
    }
    for name in names {
        cluster.answers(name).await.unwrap();
    }
}

/// The database in hand is healthy on the new release within the step's deadlines, and its host lets
/// traffic in; how long after the loss it was healthy.
async fn serves_again(
    cluster: &Cluster,
    observer: &Observer,
    name: &str,
    version: &str,
    lost: Instant,
) -> Duration {
    let timings = &cluster.tools.timings;
    let within = Duration::from_millis(STOP_MS) + timings.verify.as_duration();
    let wanted = Health::Healthy {
        version: version.to_owned(),
    };
    wait_until(within, "the database in hand serves again", async || {
        observer.record().health_at(name, u64::MAX) == Some(&wanted)
    })
    .await;
    let served = lost.elapsed();
    let within = timings.verify.as_duration() + timings.rejoin.as_duration();
    says(cluster, name, StatusCode::OK, within).await;
    served
}

/// Waits until the host's `/ready` answers so.
pub async fn says(cluster: &Cluster, name: &str, ready: StatusCode, within: Duration) {
    let probe = cluster.host(name).unwrap().ports.probes.address();
    wait_until(within, &format!("{name} says {ready}"), async || {
        let answer = wire::get(&probe, "/ready", PATIENCE).await;
        matches!(answer, Ok((status, _)) if status == ready)
    })
    .await;
}

fn healthy(observer: &Observer, name: &str) -> bool {
    let record = observer.record();
    matches!(
        record.health_at(name, u64::MAX),
        Some(Health::Healthy { .. })
    )
}

fn life(observer: &Observer, name: &str) -> Option<Life> {
    Some(observer.record().running(name)?.life)
}

async fn tokens(cluster: &Cluster) -> BTreeSet<String> {
    let body = wait_for(PATIENCE, "the tokens are listed", async || {
        cluster.api.get("/tokens", PATIENCE).await.ok()
    })
    .await;
    let tokens = body["tokens"].as_array().unwrap().iter();
    tokens
        .map(|token| token["id"].as_str().unwrap().to_owned())
        .collect()
}

//! The troubles themselves: each is done to a host, lasts a while, and is over.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::tape::Fault;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::json;
use tokio::time::sleep;

use super::ground::Ground;
use super::machine;
use super::members;
use super::script::{Script, Trouble};
use crate::stage::{self, PATIENCE};
use crate::support::http;
use crate::support::wait::wait_for;

/// Longer than the longest election and a begin's lease.
const FROZEN: Duration = Duration::from_millis(5_000);
/// Shorter than the grace for quorum loss, with an election after it.
const TWO_FROZEN: Duration = Duration::from_millis(2_500);
/// Longer than the grace.
const QUORUM_LOST: Duration = Duration::from_millis(8_500);
const CUT: Duration = Duration::from_millis(4_000);
const DOWN: Duration = Duration::from_millis(1_500);
const SICK: Duration = Duration::from_millis(2_500);
const DELAY: Duration = Duration::from_millis(40);
const BREAK_EVERY: Duration = Duration::from_millis(700);
const BREAKS: u32 = 5;
/// Beyond what the daemon has open already.
const DESCRIPTORS_LEFT: u64 = 3;

/// Does it to `target`, from beginning to end.
pub async fn strike(
    ground: &mut Ground,
    observer: &Observer,
    script: &Script,
    target: &str,
    sha256: &str,
) -> Result<Fault, String> {
    let clock = ground.cluster.tools.clock;
    let mut from_ms = clock.now_ms();
    let names = ground.cluster.names();
    let others = names.into_iter().filter(|name| name != target);
    let others: Vec<String> = others.collect();
    match script.trouble {
        // Until it is out it is a member like any other.
        Trouble::Removed => from_ms = members::removed(ground, observer, target).await?,
        _ => act(ground, observer, script.trouble, target, &others, sha256).await?,
    }
    let names = |names: &[&String]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).clone()).collect()
    };
    let target = target.to_owned();
    let (daemons, databases) = match script.trouble {
        Trouble::KillDaemon
        | Trouble::Freeze
        | Trouble::CutOff
        | Trouble::Descriptors
        | Trouble::Wiped
        | Trouble::Stall
        | Trouble::ReadOnly
        | Trouble::Clock => (names(&[&target]), names(&[])),
        Trouble::FreezeTwo | Trouble::LoseQuorum => (names(&[&target, &others[0]]), names(&[])),
        Trouble::KillDatabase | Trouble::SickHealth => (names(&[]), names(&[&target])),
        Trouble::OldId | Trouble::Removed => (names(&[&target]), names(&[&target])),
        _ => (names(&[]), names(&[])),
    };
    Ok(Fault {
        kind: script.trouble.name().to_owned(),
        from_ms,
        until_ms: clock.now_ms(),
        daemons,
        databases,
        may_fail_plan: script.trouble.may_fail_plan(),
    })
}

async fn act(
    ground: &mut Ground,
    observer: &Observer,
    trouble: Trouble,
    target: &str,
    others: &[String],
    sha256: &str,
) -> Result<(), String> {
    match trouble {
        Trouble::KillDaemon => {
            ground.kill(target).await;
            sleep(DOWN).await;
            ground.start(target).await;
            answers(ground, target).await?;
        }
        Trouble::KillDatabase => {
            if let Some(process) = observer.record().running(target) {
                stage::kill(process.life.pid);
            }
            stage::all_healthy(&ground.cluster, observer).await;
        }
        Trouble::Freeze => freeze(ground, &[target.to_owned()], FROZEN).await,
        Trouble::FreezeTwo | Trouble::LoseQuorum => {
            let time = match trouble {
                Trouble::LoseQuorum => QUORUM_LOST,
                _ => TWO_FROZEN,
            };
            freeze(ground, &[target.to_owned(), others[0].clone()], time).await;
        }
        Trouble::CutOff
        | Trouble::CutOneWay
        | Trouble::CutPair
        | Trouble::Delay
        | Trouble::Loss => on_the_way(ground, trouble, target, others).await,
        Trouble::SickHealth => {
            sick(ground, target).await;
            stage::all_healthy(&ground.cluster, observer).await;
        }
        Trouble::FlipStaged => flip(ground, target, sha256),
        Trouble::Descriptors => descriptors(ground, target).await?,
        Trouble::Wiped => wiped(ground, target).await?,
        Trouble::Stall => machine::stall(ground, target).await,
        Trouble::ReadOnly => machine::read_only(ground, target).await?,
        Trouble::Clock => machine::clock(ground, target).await?,
        Trouble::Added => members::added(ground).await?,
        Trouble::OldId => members::old_id(ground, observer, target).await?,
        // Done by itself, since it begins when it is granted.
        Trouble::Removed => {}
    }
    Ok(())
}

async fn freeze(ground: &Ground, names: &[String], time: Duration) {
    let pids: Vec<u32> = names
        .iter()
        .filter_map(|name| ground.cluster.host(name).unwrap().daemon_pid())
        .collect();
    pids.iter()
        .for_each(|pid| stage::signal(*pid, Signal::STOP));
    sleep(time).await;
    pids.iter()
        .for_each(|pid| stage::signal(*pid, Signal::CONT));
}

fn one_way(from: &str, others: &[String]) -> Vec<(String, String)> {
    let pairs = others.iter();
    pairs.map(|to| (from.to_owned(), to.clone())).collect()
}

fn both_ways(from: &str, others: &[String]) -> Vec<(String, String)> {
    let mut pairs = one_way(from, others);
    pairs.extend(others.iter().map(|to| (to.clone(), from.to_owned())));
    pairs
}

/// Something happens to what the members say to one another.
async fn on_the_way(ground: &Ground, trouble: Trouble, target: &str, others: &[String]) {
    match trouble {
        Trouble::CutOff => cut(ground, both_ways(target, others)).await,
        Trouble::CutOneWay => cut(ground, one_way(target, others)).await,
        Trouble::CutPair => cut(ground, both_ways(target, &others[..1])).await,
        Trouble::Delay => {
            ground.links.delay(DELAY);
            sleep(FROZEN).await;
            ground.links.heal();
        }
        _ => {
            for _ in 0..BREAKS {
                ground.links.break_all();
                sleep(BREAK_EVERY).await;
            }
        }
    }
}

async fn cut(ground: &Ground, pairs: Vec<(String, String)>) {
    ground.links.cut(pairs);
    sleep(CUT).await;
    ground.links.heal();
}

/// The database serves on while its health says that it does not.
async fn sick(ground: &Ground, name: &str) {
    let address = ground.cluster.host(name).unwrap().ports.database.address();
    let say = async |fault: &str| {
        let body = json!({ "fault": fault });
        // Between two lives nobody is there to be made sick.
        let _ = http::request("POST", &address, "/fault", Some(&body)).await;
    };
    say("never-healthy").await;
    sleep(SICK).await;
    say("none").await;
}

fn flip(ground: &Ground, name: &str, sha256: &str) {
    let directory = &ground.cluster.host(name).unwrap().directory;
    let path = directory.join("updater/artifacts").join(sha256);
    // Not there yet, or used already: then nothing is flipped.
    if let Ok(mut bytes) = fs::read(&path)
        && let Some(last) = bytes.last_mut()
    {
        *last ^= 1;
        let _ = fs::write(&path, bytes);
    }
}

/// No file more than it has open, for a while.
async fn descriptors(ground: &mut Ground, name: &str) -> Result<(), String> {
    let Some(pid) = ground.cluster.host(name).unwrap().daemon_pid() else {
        return Ok(());
    };
    let open = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as u64;
    let process = Pid::from_raw(i32::try_from(pid).unwrap());
    let few = Rlimit {
        current: Some(open + DESCRIPTORS_LEFT),
        maximum: rustix::process::getrlimit(Resource::Nofile).maximum,
    };
    let before = prlimit(process, Resource::Nofile, few).map_err(|why| why.to_string())?;
    sleep(CUT).await;
    // A daemon that ended by it is started again, with the limit of its parent.
    let _ = prlimit(process, Resource::Nofile, before);
    ground.restart_ended().await;
    answers(ground, name).await
}

/// A member that comes up with nothing where its data was must not take part; its own disk comes back.
async fn wiped(ground: &mut Ground, name: &str) -> Result<(), String> {
    ground.kill(name).await;
    let data = ground.cluster.host(name).unwrap().directory.join("updater");
    let aside = data.with_extension("aside");
    let moved = |from: &std::path::Path, to: &std::path::Path| {
        fs::rename(from, to).map_err(|why| format!("{}: {why}", from.display()))
    };
    moved(&data, &aside)?;
    ground.start(name).await;
    let refused = wait_for_end(ground, name).await;
    ground.kill(name).await;
    let _ = fs::remove_dir_all(&data);
    moved(&aside, &data)?;
    ground.start(name).await;
    answers(ground, name).await?;
    refused
}

async fn wait_for_end(ground: &mut Ground, name: &str) -> Result<(), String> {
    let end = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < end {
        if ground.cluster.host_mut(name).unwrap().ended().is_some() {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("{name} went on without its data directory"))
}

/// Waits until the member answers, starting what ended by itself.
pub async fn answers(ground: &mut Ground, name: &str) -> Result<(), String> {
    let answered = ground.cluster.answers(name).await;
    answered.map_err(|error| error.to_string())
}

/// The node whose daemon leads, as soon as somebody does.
pub async fn leader(ground: &Ground) -> String {
    wait_for(PATIENCE, "somebody leads", async || {
        ground.cluster.leader().await.ok()
    })
    .await
}

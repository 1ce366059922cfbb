//! Members that come and go while a plan moves: one more host, one that is taken out, and one that comes up
//! again under the id that was taken from it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use aegis_updates::demo::cluster::end::end_all_below;
use aegis_updates::demo::journal::Journal;
use aegis_updates::demo::observer::Observer;
use aegis_updates::journal::fact::Fact;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::ground::{GUEST, Ground};
use super::play::REST_WITHIN;
use super::strike::answers;
use crate::stage::{self, PATIENCE};

const LAP: Duration = Duration::from_millis(100);
/// Several of the longest elections.
const UNDER_OLD_ID: Duration = Duration::from_secs(8);
/// What a member answers to whoever is none.
const REFUSED: &str = "not a member of this cluster";
/// How `serve` ends on a store that must not be used.
const STORAGE: &str = "exit status: 70";

/// The guest joins, and its daemon answers. When the group takes it in is the group's affair: not while a
/// slot is held.
pub async fn added(ground: &mut Ground) -> Result<(), String> {
    let guest = ground.guest.take().ok_or("nobody was invited")?;
    ground.cluster.hosts.push(guest);
    join(ground, GUEST).await?;
    ground.start(GUEST).await;
    answers(ground, GUEST).await
}

/// The guest was taken in by now, is taken out again, and nothing of it runs on.
pub async fn leave(ground: &mut Ground) -> Result<(), String> {
    let taken_in = granted(async || {
        let learners = count(ground, "learners").await?;
        let word = format!("{GUEST} was not taken in: {learners} learners");
        (learners == 1).then_some(()).ok_or(word)
    });
    taken_in.await?;
    remove(ground, GUEST).await?;
    ground.kill(GUEST).await;
    let host = ground.cluster.host(GUEST).map_err(|why| why.to_string())?;
    end_all_below(&host.directory);
    ground.cluster.hosts.retain(|host| host.name != GUEST);
    ground.know();
    Ok(())
}

/// Whom to take out: not the node in hand, not the host that holds the CA's key, and the leader only where
/// nobody else is left; it hands over when it is stopped or removed.
pub fn leaver(ground: &Ground, in_hand: &str, leads: Option<&str>) -> String {
    let names = ground.cluster.names();
    let mut free: Vec<String> = names
        .into_iter()
        .skip(1)
        .filter(|name| name != in_hand)
        .collect();
    free.sort_by_key(|name| Some(name.as_str()) == leads);
    free.swap_remove(0)
}

/// Taken out while its daemon runs, as soon as that is granted, and joined anew; since when it was out.
pub async fn removed(ground: &mut Ground, observer: &Observer, name: &str) -> Result<u64, String> {
    remove(ground, name).await?;
    let from_ms = ground.cluster.tools.clock.now_ms();
    anew(ground, observer, name).await?;
    Ok(from_ms)
}

/// Stopped, taken out, and started with the directory that it had: it is refused, and joins anew.
pub async fn old_id(ground: &mut Ground, observer: &Observer, name: &str) -> Result<(), String> {
    let stopped = ground.cluster.host_mut(name).unwrap().stop().await;
    stopped.map_err(|why| why.to_string())?;
    remove(ground, name).await?;
    let refused = under_old_id(ground, name).await;
    anew(ground, observer, name).await?;
    refused
}

/// It is told that it is no member, nobody gets an answer of the cluster from it, and the group is as it was.
async fn under_old_id(ground: &mut Ground, name: &str) -> Result<(), String> {
    let log = ground.cluster.host(name).unwrap().daemon_log();
    let said_before = fs::read_to_string(&log).unwrap_or_default().len();
    let mut journal = Journal::new(ground.api().clone());
    journal.read_on().await.map_err(|why| why.to_string())?;
    let begin = journal.records.len();
    let before = members(ground).await?;
    ground.start(name).await;
    sleep(UNDER_OLD_ID).await;
    let after = members(ground).await?;
    if before != after {
        return Err(format!(
            "{name} under its old id: {before:?} became {after:?}"
        ));
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    let said = said.get(said_before..).unwrap_or_default();
    if !said.contains(REFUSED) {
        return Err(format!("{name} was not told that it is no member"));
    }
    let host = ground.cluster.host_mut(name).unwrap();
    if let Some(ended) = host.ended() {
        return match ended.contains(STORAGE) {
            true => Ok(()),
            false => Err(ended),
        };
    }
    let member = host.ports.api.address();
    let asked = ground.api().at(&member, "GET", "/cluster", None, None);
    if let Ok(answer) = asked.await
        && answer.status.is_success()
    {
        return Err(format!("{name} is no member, and said {}", answer.body));
    }
    granted(async || {
        journal.read_on().await.map_err(|why| why.to_string())?;
        moved_for_nothing(&journal, begin).map_or(Ok(()), Err)
    })
    .await
    .map_err(|why| format!("{name} under its old id: {why}"))
}

/// A term that was opened since, other than by a handoff before the leader's own node was taken.
fn moved_for_nothing(journal: &Journal, begin: usize) -> Option<String> {
    let since = || journal.records[begin..].iter();
    let opened = since().filter(|record| matches!(record.fact, Fact::TermOpened { .. }));
    opened
        .filter(|opened| {
            let terms = journal.records.iter().map(|record| record.term);
            let before = terms.filter(|term| *term < opened.term).max();
            let led = before.and_then(|term| journal.leader_of(term));
            !since().any(|record| match &record.fact {
                Fact::Taken { node, .. } => record.term == opened.term && Some(node) == led,
                _ => false,
            })
        })
        .map(|opened| format!("term {} was opened for nothing", opened.term))
        .next()
}

/// Everything of it ends, its directory is emptied, and it joins as somebody new who gets the vote again.
async fn anew(ground: &mut Ground, observer: &Observer, name: &str) -> Result<(), String> {
    ground.kill(name).await;
    let host = ground.cluster.host(name).unwrap();
    end_all_below(&host.directory);
    let data = host.directory.join("updater");
    fs::remove_dir_all(&data).map_err(|why| format!("{}: {why}", data.display()))?;
    join(ground, name).await?;
    ground.start(name).await;
    answers(ground, name).await?;
    let votes = granted(async || {
        let voters = count(ground, "voters").await?;
        let word = format!("{name} joined anew, and {voters} vote");
        (voters == ground.cluster.hosts.len())
            .then_some(())
            .ok_or(word)
    });
    votes.await?;
    stage::all_healthy(&ground.cluster, observer).await;
    Ok(())
}

async fn join(ground: &Ground, name: &str) -> Result<(), String> {
    let host = ground.cluster.host(name).map_err(|why| why.to_string())?;
    let key = format!("join-{name}-{}", ground.cluster.tools.clock.now_ms());
    let path = "/cluster/join-tokens";
    let token = ground.api().post(path, &json!({}), &key, PATIENCE).await;
    let token = token.map_err(|why| why.to_string())?;
    let secret = token["secret"].as_str().ok_or("no join token was given")?;
    let file = host.directory.join("join-token");
    fs::write(&file, secret).map_err(|why| why.to_string())?;
    let (config, file) = (host.config_path(), file.to_string_lossy());
    let config = config.to_string_lossy();
    let arguments = [
        "cluster",
        "join",
        "--config",
        &config,
        "--join-token-file",
        &file,
    ];
    // The same joiner with the same token may ask again.
    granted(async || {
        let output = host.run(ground.cluster.tools.command(), &arguments).await;
        let output = output.map_err(|why| why.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        output.status.success().then_some(()).ok_or_else(|| {
            let status = output.status;
            format!("{name} does not join: {status}, {said}")
        })
    })
    .await
}

/// Asks the others for it until they grant it.
async fn remove(ground: &Ground, name: &str) -> Result<(), String> {
    let mut others = ground.cluster.hosts.iter();
    let other = others.find(|host| host.name != name).unwrap();
    let member = other.ports.api.address();
    let path = format!("/cluster/members/{name}");
    let mut answers = BTreeSet::new();
    let done = granted(async || {
        // An answer that was lost may have been a yes.
        if !members(ground).await?.contains(name) {
            return Ok(());
        }
        let asked = ground.api().at(&member, "DELETE", &path, None, None).await;
        let answer = asked.map_err(|why| why.to_string())?;
        let granted = answer.good(&format!("DELETE {path}"));
        granted.map(drop).map_err(|why| {
            answers.insert(why.to_string());
            why.to_string()
        })
    })
    .await;
    answers.iter().for_each(|answer| println!("  {answer}"));
    done
}

async fn members(ground: &Ground) -> Result<BTreeSet<String>, String> {
    let answer = ground.api().get("/cluster/members", PATIENCE).await;
    let answer = answer.map_err(|why| why.to_string())?;
    let members = answer["members"].as_array().into_iter().flatten();
    let names = members.filter_map(|member| member["node"].as_str());
    Ok(names.map(str::to_owned).collect())
}

async fn count(ground: &Ground, role: &str) -> Result<usize, String> {
    let answer = ground.api().get("/cluster", PATIENCE).await;
    let answer = answer.map_err(|why| why.to_string())?;
    Ok(answer[role].as_array().map_or(0, Vec::len))
}

/// Asks until it is granted: within the bound of a plan, since a change waits for the slot that is held. The
/// last refusal when it never was.
async fn granted(mut ask: impl AsyncFnMut() -> Result<(), String>) -> Result<(), String> {
    let end = Instant::now() + REST_WITHIN;
    loop {
        match ask().await {
            Ok(()) => return Ok(()),
            Err(why) if Instant::now() >= end => return Err(why),
            Err(_) => sleep(LAP).await,
        }
    }
}

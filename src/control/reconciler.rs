//! The leader's loop: look, decide, propose, look again. It is woken by what was applied, by samples and
//! by time, takes no input from whoever woke it, and keeps nothing from one lap to the next.

use std::sync::Arc;
use std::time::Duration;

use aegis_updates_raft::view::Role;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::evidence::Evidence;
use super::replica::Replica;
use super::term::{self, PROPOSAL_TIMEOUT};
use crate::base::ids::{MemberId, NodeName};
use crate::decision::decide::decide;
use crate::fleet::view::{ClusterView, Heard};
use crate::machine::command::Command;
use crate::machine::refusal::Refusal;

/// Ages grow without an event, so the loop looks by itself this often.
const LAP_MAX: Duration = Duration::from_millis(200);
/// A burst of samples and entries is looked at once.
const LAP_MIN: Duration = Duration::from_millis(10);
/// openraft cannot abort a handoff; its gap is over within a few elections.
pub const HANDOFF_TIMEOUT: Duration = Duration::from_secs(5);
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks at a database from here, by the address that its node registered. True when it serves.
pub type Probe = Arc<dyn Fn(String) -> BoxFuture<'static, bool> + Send + Sync>;

/// Runs until `stop` changes. Does nothing while this member does not lead.
pub async fn run(replica: Replica, evidence: Arc<Evidence>, mut stop: watch::Receiver<bool>) {
    let mut applied = replica.published().watch();
    let mut progress = replica.member().watch();
    let mut timer = interval(LAP_MAX);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            changed = applied.changed() => if changed.is_err() { return },
            changed = progress.changed() => if changed.is_err() { return },
            () = evidence.arrival() => {}
            _ = timer.tick() => {}
        }
        loop {
            let more = tokio::select! {
                _ = stop.changed() => return,
                more = lap(&replica, &evidence) => more,
            };
            if !more {
                break;
            }
        }
        sleep(LAP_MIN).await;
    }
}

/// True when something was decided and committed: the state it left may ask for more at once.
async fn lap(replica: &Replica, evidence: &Evidence) -> bool {
    if replica.consensus().role != Role::Leader || !term::open(replica).await {
        return false;
    }
    let state = replica.state();
    let view = evidence.view(&state, &replica.consensus());
    if !view.leads {
        return false;
    }
    let decision = decide(&state, &view);
    drop(state);
    if let Some(command) = decision.proposal {
        return propose(replica, view.term, command).await;
    }
    if let Some(target) = decision.handoff {
        hand_over(replica, view.term, target).await;
    }
    false
}

/// True when it was committed and accepted.
async fn propose(replica: &Replica, term: u64, command: Command) -> bool {
    let what = name_of(&command);
    let deadline = Instant::now() + PROPOSAL_TIMEOUT;
    match replica
        .propose_in(term, replica.own(command), deadline)
        .await
    {
        Ok(written) => {
            match &written.result {
                Ok(_) => tracing::debug!(%what, index = written.index, "decided"),
                Err(refusal @ Refusal::Internal { .. }) => {
                    tracing::error!(%what, %refusal, "a decision met an impossible state");
                }
                // Overtaken by what was committed before it; the next lap sees that.
                Err(refusal) => tracing::debug!(%what, %refusal, "a decision was overtaken"),
            }
            written.result.is_ok()
        }
        Err(unwritten) => {
            tracing::debug!(%what, ?unwritten, "a decision was not committed");
            false
        }
    }
}

/// The command's variant, for the log lines of a person who looks for trouble.
fn name_of(command: &Command) -> String {
    let text = format!("{command:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}

async fn hand_over(replica: &Replica, term: u64, target: MemberId) {
    match replica
        .member()
        .transfer_leader(target.0, HANDOFF_TIMEOUT)
        .await
    {
        Ok(new_term) => tracing::info!(%target, new_term, "leadership handed over"),
        Err(error) => {
            tracing::warn!(%target, %error, "leadership was not handed over");
            let failed = Command::HandoffFailed {
                target: Some(target),
                reason: error.to_string(),
            };
            propose(replica, term, failed).await;
        }
    }
}

/// Looks at the databases of silent hosts from here, so that a dead host is told from a dead daemon.
pub async fn probe_silent(
    replica: Replica,
    evidence: Arc<Evidence>,
    probe: Probe,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            () = sleep(PROBE_INTERVAL) => {}
        }
        let Some(term) = replica.opened_term() else {
            continue;
        };
        let state = replica.state();
        let view = evidence.view(&state, &replica.consensus());
        let mut looks = JoinSet::new();
        for (name, address) in silent(&view).filter_map(|name| {
            let node = state.nodes.get(name)?;
            Some((node.name.clone(), node.address.clone()))
        }) {
            let look = probe(address);
            looks.spawn(async move {
                let served = timeout(PROBE_TIMEOUT, look).await.unwrap_or(false);
                (name, served)
            });
        }
        drop(state);
        while let Some(looked) = looks.join_next().await {
            // A look that panicked says nothing about the database.
            if let Ok((name, served)) = looked {
                evidence.probed(term, name, served);
            }
        }
    }
}

fn silent(view: &ClusterView) -> impl Iterator<Item = &NodeName> {
    let silent = |heard: &Heard| !matches!(heard, Heard::Heard { .. });
    view.hosts
        .iter()
        .filter(move |(_, host)| silent(&host.heard))
        .map(|(name, _)| name)
}

//! The leader's own clockwork: the entry that opens its term, and the ticks by which `run` moves and an
//! outage is noticed. What follows from either is decided when they are applied.

use std::time::Duration;

use aegis_updates_raft::view::Role;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::clock::idle_ms;
use super::replica::{Replica, Unwritten, millis};
use crate::base::limits::TICK_INTERVAL;
use crate::machine::command::Command;
use crate::machine::state::State;
use crate::plans::plan::Status;

/// A proposal of the leader's own is given up after this and decided anew.
pub const PROPOSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// A tick waits for its commit as long as its leader leads: how long it took is what the next one tells.
const TICK_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
/// How soon a tick that was certainly not appended is tried again.
const TICK_AGAIN: Duration = Duration::from_millis(100);

/// Proposes the opening of a term that this member leads and that is not opened; does nothing else.
/// True when the term is open as far as this member has applied.
pub async fn open(replica: &Replica) -> bool {
    let consensus = replica.consensus();
    if consensus.role != Role::Leader {
        return false;
    }
    let state = replica.state();
    if state.head.term.number == consensus.term && state.head.term.opened {
        return true;
    }
    let newest = replica.member().newest_append_not_opening();
    let idle = newest.map(|newest| idle_ms(&newest, &replica.clock().now()));
    let call = replica.own(Command::OpenTerm { idle_ms: idle });
    let deadline = Instant::now() + PROPOSAL_TIMEOUT;
    match replica.propose_in(consensus.term, call, deadline).await {
        Ok(written) => match written.result {
            Ok(_) => {
                tracing::info!(term = consensus.term, idle_ms = idle, "this member leads");
                true
            }
            // An earlier try was committed after all.
            Err(refusal) => {
                tracing::debug!(%refusal, term = consensus.term, "the term was not opened again");
                false
            }
        },
        Err(unwritten) => {
            tracing::debug!(
                ?unwritten,
                term = consensus.term,
                "the term is not open yet"
            );
            false
        }
    }
}

/// Commits a tick each second while something waits for `run`, one in flight, until `stop` changes.
pub async fn tick(replica: Replica, mut stop: watch::Receiver<bool>) {
    let mut previous = (0, 0);
    loop {
        let due = Instant::now() + TICK_INTERVAL.as_duration();
        tokio::select! {
            _ = stop.changed() => return,
            took = one_tick(&replica, previous) => previous = took,
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = sleep_until(due) => {}
        }
    }
}

/// The term of the last tick and how long it took, in milliseconds. A tick of another term is not this
/// leader's to tell of: the term's opening says what happened before it.
type Took = (u64, u64);

async fn one_tick(replica: &Replica, previous: Took) -> Took {
    let Some(term) = replica.opened_term() else {
        return (0, 0);
    };
    if !waits_for_run(&replica.state()) {
        return (0, 0);
    }
    let previous_ms = if previous.0 == term { previous.1 } else { 0 };
    // Consensus refuses an entry while the leader knows that its quorum is away. That time counts as if
    // the tick had been appended: it is the same outage.
    let begun = Instant::now();
    let mut leaving = replica.member().watch();
    loop {
        let call = replica.own(Command::Tick { previous_ms });
        let proposed = replica.propose_in(term, call, Instant::now() + TICK_TIMEOUT);
        let outcome = tokio::select! {
            outcome = proposed => outcome,
            _ = leaving.wait_for(|now| now.term != term || now.role != Role::Leader) => {
                return (0, 0);
            }
        };
        match outcome {
            Ok(written) => {
                if let Err(refusal) = written.result {
                    tracing::debug!(%refusal, "a tick was refused");
                }
                return (term, millis(begun.elapsed()));
            }
            Err(Unwritten::Never(_)) if replica.opened_term() == Some(term) => {
                sleep(TICK_AGAIN).await;
            }
            Err(_) => return (0, 0),
        }
    }
}

/// A deadline in `run` time is pending: a plan moves, a notice runs, or a node is in hand.
fn waits_for_run(state: &State) -> bool {
    let Some(plan) = state.live_plan() else {
        return false;
    };
    let moving = matches!(plan.status, Status::InProgress | Status::RollingBack);
    moving
        || plan.notice_until_run_ms.is_some()
        || state.nodes.values().any(|node| node.slot.is_some())
}

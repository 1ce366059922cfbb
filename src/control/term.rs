//! The leader's own clockwork: the entry that opens its term, and the ticks by which `run` moves and an
//! outage is noticed. What follows from either is decided when they are applied.

use std::time::Duration;

use aegis_updates_raft::view::Role;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::clock::idle_ms;
use super::replica::{Replica, Unwritten};
use crate::base::limits::TICK_INTERVAL;
use crate::machine::command::Command;
use crate::machine::state::Term;

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
    match opening(&state.head.term, consensus.term) {
        Opening::TooEarly => return false,
        Opening::Done => return true,
        Opening::Due => {}
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

#[derive(Debug, PartialEq, Eq)]
enum Opening {
    /// The term's own first entry is not applied here, so neither is all that came before it: the times that this
    /// leader would put into the log would be reckoned from an older entry.
    TooEarly,
    Due,
    Done,
}

/// What a leader of term `led` that applied as far as `applied` has to do about its opening.
const fn opening(applied: &Term, led: u64) -> Opening {
    if applied.number != led {
        Opening::TooEarly
    } else if applied.opened {
        Opening::Done
    } else {
        Opening::Due
    }
}

/// Commits a tick each second while something waits for `run`, one in flight, until `stop` changes.
pub async fn tick(replica: Replica, mut stop: watch::Receiver<bool>) {
    let mut previous = Took::default();
    let mut due_ms = boot_ms(&replica);
    loop {
        let again = Instant::now() + TICK_INTERVAL.as_duration();
        let next_ms = boot_ms(&replica) + TICK_INTERVAL.0;
        tokio::select! {
            _ = stop.changed() => return,
            took = one_tick(&replica, previous, due_ms) => previous = took,
        }
        due_ms = next_ms.max(boot_ms(&replica));
        tokio::select! {
            _ = stop.changed() => return,
            () = sleep_until(again) => {}
        }
    }
}

/// How long a leader's last tick took to be committed, and in which term. A tick of another term is not
/// this leader's to tell of: the term's opening says what happened before it.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    term: u64,
    ms: u64,
}

/// A tick is reckoned from when it was due. It may be late because consensus refuses entries while the
/// leader knows that its quorum is away, or because this host was frozen together with the others and
/// nobody could be elected meanwhile: either way nothing was committed, and it is the same outage. What is
/// late already is told by the tick itself, and how long its commit took by the next.
async fn one_tick(replica: &Replica, previous: Took, due_ms: u64) -> Took {
    let Some(term) = replica.opened_term() else {
        return Took::default();
    };
    if !replica.state().waits_for_run() {
        return Took { term, ms: 0 };
    }
    let (told_ms, due_ms) = match previous.term == term {
        true => (previous.ms, due_ms),
        false => (0, boot_ms(replica)),
    };
    let late_ms = || boot_ms(replica).saturating_sub(due_ms);
    let mut leaving = replica.member().watch();
    loop {
        let late_before_ms = late_ms();
        let previous_ms = told_ms.max(late_before_ms);
        let call = replica.own(tick_of(replica, previous_ms));
        let proposed = replica.propose_in(term, call, Instant::now() + TICK_TIMEOUT);
        let outcome = tokio::select! {
            outcome = proposed => outcome,
            _ = leaving.wait_for(|now| now.term != term || now.role != Role::Leader) => {
                return Took::default();
            }
        };
        match outcome {
            Ok(written) => {
                if let Err(refusal) = written.result {
                    tracing::debug!(%refusal, "a tick was refused");
                }
                return Took {
                    term,
                    ms: untold(late_ms(), late_before_ms),
                };
            }
            Err(Unwritten::Never(_)) if replica.opened_term() == Some(term) => {
                sleep(TICK_AGAIN).await;
            }
            Err(_) => return Took::default(),
        }
    }
}

#[cfg(not(feature = "next-version"))]
const fn tick_of(_: &Replica, previous_ms: u64) -> Command {
    Command::Tick { previous_ms }
}

/// A field that older members do not know is written once none of them is left.
#[cfg(feature = "next-version")]
fn tick_of(replica: &Replica, previous_ms: u64) -> Command {
    let head = &replica.state().head;
    let beat = head.beats.unwrap_or(0) + 1;
    let known = head.version >= crate::base::version::NEXT;
    Command::Tick {
        previous_ms,
        beat: known.then_some(beat),
    }
}

/// What the next tick has to tell of one that was committed `total_ms` after it was due: nothing when the
/// tick itself told nearly all of it, or one outage would be judged twice.
const fn untold(total_ms: u64, told_ms: u64) -> u64 {
    if told_ms > 0 && total_ms.saturating_sub(told_ms) <= TICK_INTERVAL.0 {
        0
    } else {
        total_ms
    }
}

fn boot_ms(replica: &Replica) -> u64 {
    replica.clock().now().boottime_ms
}

#[cfg(test)]
mod tests {
    use super::{Opening, opening, untold};
    use crate::machine::state::Term;

    #[test]
    fn a_term_is_opened_once_all_that_came_before_it_is_applied() {
        let applied = |number, opened| Term {
            number,
            opened,
            ..Term::default()
        };
        assert_eq!(opening(&applied(6, true), 7), Opening::TooEarly);
        assert_eq!(opening(&applied(6, false), 7), Opening::TooEarly);
        assert_eq!(opening(&applied(7, false), 7), Opening::Due);
        assert_eq!(opening(&applied(7, true), 7), Opening::Done);
    }

    #[test]
    fn an_outage_is_told_once_and_whole() {
        assert_eq!(untold(3, 0), 3);
        assert_eq!(untold(12_000, 0), 12_000);
        assert_eq!(untold(12_040, 12_000), 0);
        assert_eq!(untold(12_000, 6_000), 12_000);
    }
}

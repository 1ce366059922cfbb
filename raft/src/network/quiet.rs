//! When a leader without quorum holds its entries back. openraft silences its heartbeats in phases, so
//! that members that still hear it get the time to elect another (openraft #2080); entries on their way
//! would keep those members waiting all the same. It decides nothing for a leader with a quorum.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant as _, RaftMetrics};
use tokio::time::Instant;

use crate::types::Types;

#[derive(Default)]
pub(super) struct Quiet(OnceLock<Phases>);

struct Phases {
    metrics: WatchReceiverOf<Types, RaftMetrics<Types>>,
    /// The newest term that was led from here, and since when.
    elected: Mutex<(u64, Instant)>,
    lease: Duration,
    phase: Duration,
}

impl Quiet {
    /// `lease` and `phase` as the core has them, so that both fall silent together.
    pub(super) fn follow(
        &self,
        metrics: WatchReceiverOf<Types, RaftMetrics<Types>>,
        lease: Duration,
        phase: Duration,
    ) {
        // Set once, when the member starts.
        let _ = self.0.set(Phases {
            metrics,
            elected: Mutex::new((0, Instant::now())),
            lease,
            phase,
        });
    }

    pub(super) fn now(&self) -> bool {
        let Some(Phases {
            metrics,
            elected,
            lease,
            phase,
        }) = self.0.get()
        else {
            return false;
        };
        let metrics = metrics.borrow_watched();
        if leads_alone(&metrics) {
            return false;
        }
        let since = metrics.last_quorum_acked.map(|acked| acked.elapsed());
        let since = since.unwrap_or_else(|| elected_for(elected, metrics.current_term));
        silent(since, *lease, *phase)
    }
}

/// True for a leader whose own vote is a majority: nobody has to acknowledge it.
pub(crate) fn leads_alone(metrics: &RaftMetrics<Types>) -> bool {
    let mut voters = metrics.membership_config.voter_ids();
    metrics.state.is_leader() && voters.all(|id| id == metrics.id)
}

/// Before its first acknowledgement a leader counts from when it first asked here in its term.
fn elected_for(elected: &Mutex<(u64, Instant)>, term: u64) -> Duration {
    let mut elected = elected.lock().unwrap_or_else(PoisonError::into_inner);
    if elected.0 != term {
        *elected = (term, Instant::now());
    }
    elected.1.elapsed()
}

/// The lease, then a silent phase, then one in which it may speak, and so on.
fn silent(since_acked: Duration, lease: Duration, phase: Duration) -> bool {
    let Some(over) = since_acked.checked_sub(lease) else {
        return false;
    };
    (over.as_millis() / phase.as_millis().max(1)).is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_with_the_end_of_the_lease_and_alternates() {
        let at = |ms| {
            silent(
                Duration::from_millis(ms),
                Duration::from_millis(300),
                Duration::from_millis(900),
            )
        };
        assert_eq!(
            [0, 299, 300, 1_199, 1_200, 2_099, 2_100].map(at),
            [false, false, true, true, false, false, true]
        );
    }
}

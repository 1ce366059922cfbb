//! When a leader without quorum holds its entries back. openraft silences its heartbeats in phases, so
//! that members that still hear it get the time to elect another (openraft #2080); entries on their way
//! would keep those members waiting all the same. It decides nothing for a leader with a quorum.

use std::sync::OnceLock;
use std::time::Duration;

use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant, RaftMetrics};

use crate::types::Types;

#[derive(Default)]
pub(super) struct Quiet(OnceLock<Phases>);

struct Phases {
    metrics: WatchReceiverOf<Types, RaftMetrics<Types>>,
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
            lease,
            phase,
        });
    }

    pub(super) fn now(&self) -> bool {
        let Some(Phases {
            metrics,
            lease,
            phase,
        }) = self.0.get()
        else {
            return false;
        };
        let acked = metrics.borrow_watched().last_quorum_acked;
        acked.is_some_and(|acked| silent(acked.elapsed(), *lease, *phase))
    }
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

//! What this host's clocks say about time that passed. They are read through the store's `HostClock`, so
//! that tests can jump them; nothing is decided on them here.

use aegis_updates_raft::store::{Appended, Moment};

use crate::base::limits::RUN_STEP_MAX;
use crate::machine::state::Head;

/// How long this host has appended nothing, in milliseconds, as far as it was there to see. Within one boot the boot
/// clock says it, which runs on through suspend and never jumps. Across boots it is the time since this one began:
/// only the wall clock could say more, and a jump of it must not be taken for an outage.
pub fn idle_ms(newest: &Appended, now: &Moment) -> u64 {
    if newest.boot_id == now.boot_id {
        return now.boottime_ms.saturating_sub(newest.boottime_ms);
    }
    now.boottime_ms
}

/// The log's time, and as long since as is certain. `elapsed_ms` is since this member applied its newest entry; a
/// member that was frozen may have applied it as it woke, so what it appended tells more, unless a term was opened
/// since: that entry told of the time before it already.
pub fn without_a_majority(
    head: &Head,
    newest: Option<&Appended>,
    now: &Moment,
    elapsed_ms: u64,
) -> u64 {
    let told = |newest: &&Appended| {
        newest.boot_id == now.boot_id && head.journal.last_index <= newest.index
    };
    let idle_ms = newest.filter(told).map_or(0, |newest| idle_ms(newest, now));
    let since_ms = elapsed_ms.max(idle_ms);
    head.clock.wall_ms.saturating_add(since_ms)
}

/// How much of `elapsed_ms`, the time since this member applied or stamped its newest entry, `run` may advance: it
/// goes on for one step after what was applied last, however many entries wait since, so that it nearly stands still
/// in an outage. `None`: all of it.
pub fn run_ms(elapsed_ms: u64, since_applied_ms: u64) -> Option<u64> {
    let told_ms = since_applied_ms.saturating_sub(elapsed_ms);
    let counts_ms = since_applied_ms.min(RUN_STEP_MAX.0).saturating_sub(told_ms);
    (counts_ms < elapsed_ms.min(RUN_STEP_MAX.0)).then_some(counts_ms)
}

/// The wall clock as the log keeps it; a clock before 1970 counts as 1970.
pub fn wall_ms(now: &Moment) -> u64 {
    u64::try_from(now.wall_ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(boot_id: &str, boottime_ms: u64) -> Appended {
        Appended {
            index: 7,
            term: 2,
            boot_id: boot_id.to_owned(),
            boottime_ms,
            opening: false,
        }
    }

    fn moment(boot_id: &str, boottime_ms: u64, wall_ms: i64) -> Moment {
        Moment {
            boot_id: boot_id.to_owned(),
            boottime_ms,
            wall_ms,
        }
    }

    /// Found by seed 1035539: what waited for a majority 17 s long made a host late as soon as it was applied.
    #[test]
    fn run_goes_on_for_one_step_after_what_was_applied() {
        // Nothing waits: all of it counts, and `apply` takes a step of it.
        for elapsed_ms in [0, 900, 2_000, 60_000] {
            assert_eq!(run_ms(elapsed_ms, elapsed_ms), None);
        }
        // Another entry told of the first second.
        assert_eq!(run_ms(800, 1_800), None);
        assert_eq!(run_ms(1_500, 2_500), Some(1_000));
        assert_eq!(run_ms(60_000, 61_000), Some(1_000));
        // Those before it told of the whole step.
        assert_eq!(run_ms(1_000, 3_000), Some(0));
        assert_eq!(run_ms(4_000, 17_000), Some(0));
        assert_eq!(run_ms(0, 17_000), None);
    }

    #[test]
    fn a_jump_of_the_wall_clock_counts_for_nothing() {
        for wall_ms in [-1, 5_000, 9_000_000, i64::MAX] {
            let newest = appended("a", 1_000);
            assert_eq!(idle_ms(&newest, &moment("a", 4_000, wall_ms)), 3_000);
            assert_eq!(idle_ms(&newest, &moment("b", 400, wall_ms)), 400);
        }
    }

    /// Found by rounds 30, 64 and 156 of the real daemons: the leader that woke from an outage stamped the time before it.
    #[test]
    fn what_was_applied_late_does_not_set_the_time_back() {
        let mut head = Head::default();
        head.clock.wall_ms = 1_000_000;
        head.journal.last_index = 7;
        let now = moment("a", 10_000, 0);
        let stamped = |head: &Head, boot_id, elapsed_ms| {
            without_a_majority(head, Some(&appended(boot_id, 1_000)), &now, elapsed_ms)
        };
        assert_eq!(stamped(&head, "a", 5), 1_009_000);
        assert_eq!(stamped(&head, "a", 9_500), 1_009_500);
        assert_eq!(stamped(&head, "b", 5), 1_000_005);
        assert_eq!(without_a_majority(&head, None, &now, 5), 1_000_005);
        // A term was opened since, and counted the outage.
        head.journal.last_index = 8;
        assert_eq!(stamped(&head, "a", 5), 1_000_005);
    }
}

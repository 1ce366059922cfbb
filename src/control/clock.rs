//! What this host's clocks say about time that passed. They are read through the store's `HostClock`, so
//! that tests can jump them; nothing is decided on them here.

use aegis_updates_raft::store::{Appended, Moment};

use crate::base::limits::CLOCK_SKEW_MAX;

/// How long this host has appended nothing, in milliseconds. Within one boot the boot clock says it, which runs on
/// through suspend and never jumps; across boots only the wall clock is left, and what it may be wrong
/// by is taken off, so that a clock set forward is not mistaken for an outage.
pub fn idle_ms(newest: &Appended, now: &Moment) -> u64 {
    if newest.boot_id == now.boot_id {
        return now.boottime_ms.saturating_sub(newest.boottime_ms);
    }
    let passed = u64::try_from(now.wall_ms.saturating_sub(newest.wall_ms)).unwrap_or(0);
    passed.saturating_sub(CLOCK_SKEW_MAX.0)
}

/// The wall clock as the log keeps it; a clock before 1970 counts as 1970.
pub fn wall_ms(now: &Moment) -> u64 {
    u64::try_from(now.wall_ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(boot_id: &str, boottime_ms: u64, wall_ms: i64) -> Appended {
        Appended {
            index: 7,
            term: 2,
            boot_id: boot_id.to_owned(),
            boottime_ms,
            wall_ms,
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

    #[test]
    fn within_a_boot_a_jump_of_the_wall_clock_counts_for_nothing() {
        let newest = appended("a", 1_000, 5_000);
        assert_eq!(idle_ms(&newest, &moment("a", 4_000, 9_000_000)), 3_000);
        assert_eq!(idle_ms(&newest, &moment("a", 4_000, -1)), 3_000);
    }

    #[test]
    fn across_boots_the_wall_clock_counts_less_what_it_may_be_wrong_by() {
        let newest = appended("a", 1_000_000, 5_000);
        assert_eq!(idle_ms(&newest, &moment("b", 10, 35_000)), 20_000);
        assert_eq!(idle_ms(&newest, &moment("b", 10, 9_000)), 0);
        assert_eq!(idle_ms(&newest, &moment("b", 10, 0)), 0);
    }
}

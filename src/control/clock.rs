//! What this host's clocks say about time that passed. They are read through the store's `HostClock`, so
//! that tests can jump them; nothing is decided on them here.

use aegis_updates_raft::store::{Appended, Moment};

/// How long this host has appended nothing, in milliseconds, as far as it was there to see. Within one boot the boot
/// clock says it, which runs on through suspend and never jumps. Across boots it is the time since this one began:
/// only the wall clock could say more, and a jump of it must not be taken for an outage.
pub fn idle_ms(newest: &Appended, now: &Moment) -> u64 {
    if newest.boot_id == now.boot_id {
        return now.boottime_ms.saturating_sub(newest.boottime_ms);
    }
    now.boottime_ms
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

    #[test]
    fn a_jump_of_the_wall_clock_counts_for_nothing() {
        for wall_ms in [-1, 5_000, 9_000_000, i64::MAX] {
            let newest = appended("a", 1_000);
            assert_eq!(idle_ms(&newest, &moment("a", 4_000, wall_ms)), 3_000);
            assert_eq!(idle_ms(&newest, &moment("b", 400, wall_ms)), 400);
        }
    }
}

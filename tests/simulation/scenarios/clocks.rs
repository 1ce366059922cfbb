//! I22: wall clocks jump by hours and years, and no deadline of a plan notices.

use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::Step;

use super::{ends, starts, story, three, until_in};

const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 3_600_000;

#[test]
fn a_jump_of_every_wall_clock_changes_nothing() {
    for by_ms in [3_600_000, -3_600_000, TEN_YEARS_MS, -TEN_YEARS_MS] {
        let mut world = three(1);
        until_in(&mut world, Step::Restarting);
        for member in &mut world.members {
            member.wall_offset_ms = by_ms;
        }
        ends(&mut world, &Status::Completed);
        assert_eq!(starts(&world), [2, 2, 2], "{by_ms}\n{}", story(&world));
    }
}

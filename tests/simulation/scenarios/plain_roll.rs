//! Nothing goes wrong: followers first, the leader's node last, one restart each.

use aegis_updates::plans::plan::Status;

use super::{ends, starts, story, three};

#[test]
fn a_plain_roll_ends_completed_with_one_restart_each() {
    for seed in 0..5 {
        let mut world = three(seed);
        ends(&mut world, &Status::Completed);
        assert_eq!(starts(&world), [2, 2, 2], "{}", story(&world));
        // Member 1 led when the plan began.
        let changed = |number: usize| {
            world
                .truth
                .hosts
                .values()
                .nth(number)
                .and_then(|seen| seen.starts.last())
                .map(|(at_ms, _)| *at_ms)
        };
        assert!(
            changed(0) > changed(1) && changed(0) > changed(2),
            "{}",
            story(&world)
        );
    }
}

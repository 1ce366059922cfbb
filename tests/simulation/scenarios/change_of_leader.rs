//! I22: leadership moves in every step, and nothing is rolled back, failed or repeated.

use aegis_updates::base::ids::MemberId;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::Step;

use super::{ends, starts, story, three, until_in};

#[test]
fn a_change_of_leader_in_any_step_changes_nothing() {
    for step in Step::TAKEN {
        for seed in 0..3 {
            let mut world = three(seed);
            until_in(&mut world, step);
            let heir = (1..=3)
                .map(MemberId)
                .find(|member| world.log.leader != Some(*member) && world.elect(*member));
            assert!(
                heir.is_some(),
                "{step}: nobody could lead\n{}",
                story(&world)
            );
            ends(&mut world, &Status::Completed);
            assert_eq!(starts(&world), [2, 2, 2], "{step}\n{}", story(&world));
        }
    }
}

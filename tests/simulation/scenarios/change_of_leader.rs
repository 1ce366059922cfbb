//! I22: leadership moves in every step of every node, and nothing is rolled back, failed or repeated.

use aegis_updates::base::ids::MemberId;
use aegis_updates::plans::plan::Status;

use crate::setting::plain;
use crate::world::World;

#[test]
fn a_plain_roll_ends_completed_with_one_restart_each() {
    for seed in 0..5 {
        let mut world = World::new(seed, plain(3), true);
        world.form();
        let done = world.run_until(300_000, |world| {
            first_plan(world).is_some_and(|status| status.is_final())
        });
        assert!(
            done,
            "{}\n{:?}",
            world.trace.tail().join("\n"),
            world.oracle.violation()
        );
        assert_eq!(
            first_plan(&world),
            Some(Status::Completed),
            "{}",
            world.trace.tail().join("\n")
        );
        assert_eq!(starts(&world), [2, 2, 2]);
    }
}

fn first_plan(world: &World) -> Option<Status> {
    world
        .oracle
        .state
        .plans
        .values()
        .next()
        .map(|plan| plan.status.clone())
}

/// Starts of each database, the one before the plan included.
fn starts(world: &World) -> Vec<usize> {
    let count = |number| {
        world
            .truth
            .hosts
            .get(&MemberId(number))
            .map_or(0, |seen| seen.starts.len())
    };
    (1..=world.members.len() as u64).map(count).collect()
}

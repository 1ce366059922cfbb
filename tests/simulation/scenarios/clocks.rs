//! I22: wall clocks jump by hours and years, and no deadline of a plan notices; and no leader moves the replicated
//! wall time by its own clock.

use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::Step;

use crate::world::World;
use crate::world::member::Member;

use super::{ends, starts, story, three, until_in};

const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 3_600_000;

#[test]
fn a_jump_of_every_wall_clock_changes_nothing() {
    for by_ms in [3_600_000, -3_600_000, TEN_YEARS_MS, -TEN_YEARS_MS] {
        let mut world = three(1);
        until_in(&mut world, Step::Restarting);
        let now = world.now;
        for member in &mut world.members {
            member.set_clock(now, by_ms);
        }
        ends(&mut world, &Status::Completed);
        assert_eq!(starts(&world), [2, 2, 2], "{by_ms}\n{}", story(&world));
    }
}

/// How far the replicated wall time is ahead of the true one, or behind it.
fn ahead_ms(world: &World) -> i64 {
    let wall_ms = world.oracle.state.head.clock.wall_ms;
    wall_ms.cast_signed() - Member::true_wall_ms(world.now).cast_signed()
}

fn set_the_leaders_clock(world: &mut World, by_ms: i64) {
    let leader = world.log.leader.expect("somebody leads");
    let now = world.now;
    world.member_mut(leader).set_clock(now, by_ms);
}

#[test]
fn a_leader_ten_years_ahead_or_behind_neither_pushes_the_wall_time_nor_holds_it_back() {
    for by_ms in [TEN_YEARS_MS, -TEN_YEARS_MS] {
        let mut world = three(1);
        until_in(&mut world, Step::Restarting);
        set_the_leaders_clock(&mut world, by_ms);
        ends(&mut world, &Status::Completed);
        // It led only until its own turn came, and its word counts as one of three for whoever leads.
        assert!(ahead_ms(&world).abs() < 5_000, "{by_ms}\n{}", story(&world));
        assert_eq!(starts(&world), [2, 2, 2], "{by_ms}\n{}", story(&world));
    }
}

#[test]
fn a_new_leader_ten_years_ahead_that_has_heard_nobody_pushes_nothing() {
    let mut world = three(1);
    until_in(&mut world, Step::Restarting);
    let leader = world.log.leader.expect("somebody leads");
    let mut followers = world.present().into_iter().filter(|id| *id != leader);
    let next = followers.next().expect("there are three");
    let now = world.now;
    world.member_mut(next).set_clock(now, TEN_YEARS_MS);
    assert!(world.elect(next), "{}", story(&world));
    ends(&mut world, &Status::Completed);
    assert!(ahead_ms(&world).abs() < 5_000, "{}", story(&world));
}

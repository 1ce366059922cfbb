//! I22 and SPEC §6: voters without a quorum, for less than the grace and for more.

use aegis_updates::base::ids::MemberId;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::Step;

use super::{ends, starts, story, three, until_in};
use crate::world::World;

/// Freezes two of three daemons in a step of some node, for so long.
fn outage(step: Step, lasts_ms: u64) -> World {
    let mut world = three(2);
    until_in(&mut world, step);
    let until_ms = world.now + lasts_ms;
    for member in [MemberId(1), MemberId(2)] {
        world.freeze_daemon(member, until_ms);
    }
    world
}

#[test]
fn an_outage_below_the_grace_rolls_nothing_back() {
    for step in [Step::Draining, Step::Restarting, Step::Soaking] {
        let mut world = outage(step, 4_000);
        ends(&mut world, &Status::Completed);
        assert_eq!(starts(&world), [2, 2, 2], "{step}\n{}", story(&world));
    }
}

#[test]
fn an_outage_beyond_the_grace_takes_everything_back() {
    let mut world = outage(Step::Soaking, 15_000);
    ends(&mut world, &Status::RolledBack);
    let old = world.setting.old;
    for member in &world.members {
        assert_eq!(member.host.installed, Some(old), "{}", story(&world));
    }
}

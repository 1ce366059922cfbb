//! A release that takes most databases down after its plan was Completed: only the way back heals them.

use aegis_updates::base::ids::{MemberId, PlanId};
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::Status;

use super::{PLAN_MS, begun, ends, story};
use crate::setting::plain;

/// The plan of kind rollback ran under an update's gates: it waited for databases that only it would heal.
#[test]
fn the_way_back_does_not_wait_for_databases_that_only_it_heals() {
    let mut setting = plain(3);
    setting.asked.truncate(1);
    let mut world = begun(1, setting);
    ends(&mut world, &Status::Completed);
    // Whatever is ill when faults end is healed.
    let faults_end_ms = world.setting.faults_end_ms;
    world.run_until(PLAN_MS, |world| world.now > faults_end_ms);
    for member in [MemberId(2), MemberId(3)] {
        let process = world.member_mut(member).host.process.as_mut();
        process.expect("it runs").sick_until_ms = u64::MAX;
    }
    world.run_until(10_000, |_| false);
    world.turn_back(PlanId(1));
    let way_back = |state: &State| state.plans.get(&PlanId(2)).map(|plan| plan.status.clone());
    let done = world.run_until(PLAN_MS, |world| {
        way_back(&world.oracle.state).is_some_and(|status| status.is_final())
    });
    assert!(done, "it did not end\n{}", story(&world));
    let status = way_back(&world.oracle.state);
    assert_eq!(status, Some(Status::Completed), "{}", story(&world));
    for member in &world.members {
        let old = Some(world.setting.old);
        assert_eq!(member.host.installed, old, "{}", story(&world));
        assert!(member.host.is_healthy(world.now), "{}", story(&world));
    }
}

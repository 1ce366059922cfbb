//! Durations that an operator may ask for and no clock will reach.

use aegis_updates::base::duration::Millis;
use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::Status;

use super::{PLAN_MS, begun, by_the_leader, story};
use crate::setting::plain;

/// Found by the fuzz net: the end of the notice was added up beyond what a number holds. Every member that applied the
/// loss of quorum failed, and failed again at each start; a build without checks saw a notice that was over.
#[test]
fn a_notice_longer_than_any_clock_is_a_notice_that_does_not_end() {
    let mut setting = plain(3);
    setting.strategy.rollback_notice = Millis(u64::MAX);
    let mut world = begun(1, setting);
    let moves = |status: Option<&Status>| status == Some(&Status::InProgress);
    let live = world.run_until(PLAN_MS, |world| moves(super::first_plan(world)));
    assert!(live, "{}", story(&world));
    let mut state = world.oracle.state.clone();
    let (plan, lost) = match state.live_plan() {
        Some(plan) => (plan.id, plan.nodes.keys().take(2).cloned().collect()),
        None => panic!("no plan is live\n{}", story(&world)),
    };
    let lose = Command::LoseQuorum { plan, lost };
    assert_eq!(by_the_leader(&mut state, lose), Ok(()));
    let plan = &state.plans[&plan];
    assert_eq!(plan.status, Status::InProgress);
    assert_eq!(plan.notice_until_run_ms, Some(u64::MAX));
}

//! A node that the plan has given up on.

use aegis_updates::base::failure::Class;
use aegis_updates::base::ids::NodeName;
use aegis_updates::fleet::intent::{Begin, Which};
use aegis_updates::machine::command::{Command, NodeFailure};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::{Plan, Status};
use aegis_updates::plans::progress;
use aegis_updates::plans::strategy::OnNodeFailure;

use super::{PLAN_MS, begun, by, by_the_leader, story};
use crate::setting::plain;
use crate::world::World;

/// A plan that goes on around a failed node, a node that was taken and not begun, and its first begin.
fn taken() -> (State, Plan, NodeName, Command) {
    let mut setting = plain(3);
    setting.strategy.on_node_failure = OnNodeFailure::Pause;
    let mut world = begun(1, setting);
    let found = |world: &World| {
        let plan = world.oracle.state.live_plan()?;
        let waits = progress::Status::Updating { step: None };
        let mut nodes = plan.nodes.iter();
        let found = nodes.find(|(_, node)| node.status == waits && !node.begun);
        found.map(|(name, _)| (plan.clone(), name.clone()))
    };
    world.run_until(PLAN_MS, |world| found(world).is_some());
    let Some((plan, node)) = found(&world) else {
        panic!("nobody was taken\n{}", story(&world));
    };
    let state = world.oracle.state.clone();
    let begin = Begin {
        generation: state.nodes[&node].generation,
        which: Which::First,
        attempt: 1_000,
    };
    let begin = Command::Begin {
        node: node.clone(),
        begin,
    };
    (state, plan, node, begin)
}

fn refused(state: &State, node: &NodeName, begin: Command) {
    let mut state = state.clone();
    let member = state.nodes[node].member;
    let result = by(&mut state, member, begin);
    let wrong = matches!(&result, Err(Refusal::WrongNodeStatus { .. }));
    assert!(wrong, "{result:?}");
}

/// The operator's word ended the plan's interest in it; its host, that had not heard, was still let drain.
#[test]
fn a_skipped_node_begins_nothing() {
    let (mut state, plan, node, begin) = taken();
    let member = state.nodes[&node].member;
    assert_eq!(by(&mut state.clone(), member, begin.clone()), Ok(()));
    let skip = Command::SkipNode {
        plan: plan.id,
        node: node.clone(),
    };
    assert_eq!(by_the_leader(&mut state, skip), Ok(()));
    refused(&state, &node, begin);
}

/// The leader has called it failed; the plan is paused by that, and an operator resumes it.
#[test]
fn a_failed_node_begins_nothing() {
    let (mut state, plan, node, begin) = taken();
    let fail = Command::FailNode(NodeFailure {
        plan: plan.id,
        node: node.clone(),
        after: state.nodes[&node].generation,
        class: Class::DrainFailed,
        detail: "no answer".to_owned(),
        seen_run_ms: None,
    });
    assert_eq!(by_the_leader(&mut state, fail), Ok(()));
    // As an operator's resume leaves it, before what failed pauses it again.
    state.plans.get_mut(&plan.id).expect("it is there").status = plan.status;
    refused(&state, &node, begin);
}

/// Found by seed 136943: skipped before its preflight, tried again while another was in hand, and called failed since
/// its host was silent. It had no binary to go back to, and taking it back raised the alarm of `internal`.
#[test]
fn a_node_that_never_said_where_it_goes_back_to_is_back_already() {
    let mut world = begun(1, plain(3));
    let found = |state: &State| {
        let plan = state.live_plan()?;
        let begun = plan.nodes.values().any(|node| node.begun);
        let mut nodes = plan.nodes.iter();
        let waits = nodes.find(|(_, node)| node.status == progress::Status::Staged)?;
        begun.then(|| waits.0.clone())
    };
    world.run_until(PLAN_MS, |world| found(&world.oracle.state).is_some());
    let Some(node) = found(&world.oracle.state) else {
        panic!("nobody waits beside one that was begun\n{}", story(&world));
    };
    let mut state = world.oracle.state.clone();
    let plan = state.live_plan().expect("it is live").id;
    // As it stands while its host has said nothing yet.
    let known = state.plans.get_mut(&plan).expect("it is live");
    let known = known.nodes.get_mut(&node).expect("it is there");
    (known.status, known.rollback_target) = (progress::Status::Pending, None);
    let host = state.nodes.get_mut(&node).expect("it is there");
    host.database.healthy = false;
    let fail = Command::FailNode(NodeFailure {
        plan,
        node: node.clone(),
        after: state.nodes[&node].generation,
        class: Class::StagingFailed,
        detail: "no answer".to_owned(),
        seen_run_ms: None,
    });
    assert_eq!(by_the_leader(&mut state, fail), Ok(()));
    let plan = state.live_plan().expect("others go back");
    assert_eq!(plan.status, Status::RollingBack);
    assert_eq!(plan.nodes[&node].status, progress::Status::RolledBack);
}

//! An operator takes a slot from a host that cannot answer.

use aegis_updates::base::failure::Class;
use aegis_updates::base::ids::{NodeName, PlanId};
use aegis_updates::fleet::intent::{Begin, Which};
use aegis_updates::machine::command::{Command, NodeFailure};
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::{self, Progress};
use aegis_updates::plans::strategy::OnNodeFailure;

use super::{PLAN_MS, by_the_leader, ends, story, three};
use crate::world::World;

/// Found by seed 1660: the node had been taken and not begun; after the release it stayed `Updating` with nobody at
/// work, and the rollback waited for it until its deadline.
#[test]
fn a_released_node_that_never_began_holds_up_no_rollback() {
    let (_, mut state, plan, node) = taken(|node| !node.begun);
    released(&mut state, &node);
    let back = Command::Rollback { plan, nodes: None };
    assert_eq!(by_the_leader(&mut state, back), Ok(()));
    assert_eq!(state.plans[&plan].status, Status::RolledBack);
}

/// Found by seed 104172: it had been begun by an earlier take, which it gave back. A rollback of another node waited for
/// it until its deadline, and said of nobody that it was not rolled back.
#[test]
fn a_released_node_holds_up_no_rollback_of_another() {
    let (_, mut state, plan, node) = taken(|node| !node.begun);
    let strategy = &mut state.plans.get_mut(&plan).expect("it is live").strategy;
    strategy.on_node_failure = OnNodeFailure::RollbackNode;
    let progress = &mut state.plans.get_mut(&plan).expect("it is live").nodes;
    progress.get_mut(&node).expect("it is there").begun = true;
    released(&mut state, &node);
    let status = state.plans[&plan].nodes[&node].status.clone();
    assert_eq!(status, progress::Status::Staged, "nothing was swapped");
    another_fails(&mut state, plan, &node);
    assert!(state.plans[&plan].status.is_final());
}

/// Past its boundary it may run either binary: the plan does not wait for it, and names it.
#[test]
fn one_released_past_its_boundary_is_named() {
    let (_, mut state, plan, node) = taken(|node| !node.begun);
    let host = state.nodes.get_mut(&node).expect("it is there");
    host.open.push(Begin {
        generation: host.generation,
        which: Which::Second,
        attempt: 2,
    });
    let strategy = &mut state.plans.get_mut(&plan).expect("it is live").strategy;
    strategy.on_node_failure = OnNodeFailure::RollbackNode;
    let progress = &mut state.plans.get_mut(&plan).expect("it is live").nodes;
    progress.get_mut(&node).expect("it is there").begun = true;
    released(&mut state, &node);
    another_fails(&mut state, plan, &node);
    let plan = &state.plans[&plan];
    assert_eq!(plan.status, Status::Failed);
    let detail = plan.detail.clone().unwrap_or_default();
    assert!(
        detail.contains(&format!("not taken back: {node}")),
        "{detail}"
    );
}

/// Its host comes back after all: the plan takes it again, and ends.
#[test]
fn a_node_released_past_its_boundary_is_taken_again_when_its_host_is_heard() {
    let mut world = three(1);
    let bound = |world: &World| {
        let mut nodes = world.oracle.state.nodes.values();
        let found = nodes.find(|node| node.past_boundary());
        found.map(|node| (node.member, node.name.clone()))
    };
    world.run_until(PLAN_MS, |world| bound(world).is_some());
    let Some((member, node)) = bound(&world) else {
        panic!("nobody began\n{}", story(&world));
    };
    let now_ms = world.now;
    world.power_off(member, now_ms + 10_000);
    world.run_until(5_000, |_| false);
    let release = Command::ReleaseSlot {
        node,
        host_is_off: true,
        heard: false,
    };
    world.says("release-slot", release);
    ends(&mut world, &Status::Completed);
}

fn taken(which: impl Fn(&Progress) -> bool) -> (World, State, PlanId, NodeName) {
    let mut world = three(1);
    let taken = |world: &World| {
        let plan = world.oracle.state.live_plan()?;
        let mut nodes = plan.nodes.iter();
        let waits = progress::Status::Updating { step: None };
        let found = nodes.find(|(_, node)| node.status == waits && which(node));
        found.map(|(name, _)| (plan.id, name.clone()))
    };
    world.run_until(PLAN_MS, |world| taken(world).is_some());
    let Some((plan, node)) = taken(&world) else {
        panic!("nobody was taken\n{}", story(&world));
    };
    let state = world.oracle.state.clone();
    (world, state, plan, node)
}

fn released(state: &mut State, node: &NodeName) {
    let release = Command::ReleaseSlot {
        node: node.clone(),
        host_is_off: true,
        heard: false,
    };
    assert_eq!(by_the_leader(state, release), Ok(()));
    assert!(state.nodes[node].slot.is_none());
}

/// Some other node, updated before, is found ill, and is back by its host's word.
fn another_fails(state: &mut State, plan: PlanId, besides: &NodeName) {
    let live = state.plans.get_mut(&plan).expect("it is live");
    let mut others = live.nodes.iter_mut().filter(|(name, _)| *name != besides);
    let (name, progress) = others.next().expect("there are three");
    let name = name.clone();
    progress.status = progress::Status::Updated;
    let host = &state.nodes[&name];
    let fails = Command::FailNode(NodeFailure {
        plan,
        node: name.clone(),
        after: host.generation,
        class: Class::HealthGateFailed,
        detail: "unhealthy after it was updated".to_owned(),
        seen_run_ms: None,
    });
    assert_eq!(by_the_leader(state, fails), Ok(()));
}

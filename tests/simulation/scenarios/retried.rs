//! A node that an operator has tried again, overtaken by a rollback that is not its own.

use std::collections::BTreeSet;

use aegis_updates::base::failure::Class;
use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::{Scope, Status, Turn};
use aegis_updates::plans::progress::{self, Step};

use super::{by_the_leader, story, three, until_in};

/// Found by seed 1499: a failed node on the new binary was to be tried again when another one failed; only that one was
/// taken back, and the plan was called `RolledBack` with the first still on the new release.
#[test]
fn a_node_that_waits_on_the_new_binary_is_left_there_and_said() {
    let mut world = three(1);
    until_in(&mut world, Step::Soaking);
    let done = world.run_until(super::PLAN_MS, |world| {
        let plan = world.oracle.state.live_plan();
        let slots = world
            .oracle
            .state
            .nodes
            .values()
            .any(|node| node.slot.is_some());
        let updated = |plan: &aegis_updates::plans::plan::Plan| {
            let nodes = plan.nodes.values();
            nodes
                .filter(|node| node.status == progress::Status::Updated)
                .count()
        };
        !slots && plan.is_some_and(|plan| updated(plan) == 2)
    });
    assert!(done, "{}", story(&world));
    let mut state = world.oracle.state.clone();
    let plan = state
        .live_plan()
        .map(|plan| plan.id)
        .expect("a plan is live");
    let live = state.plans.get_mut(&plan).expect("it is there");
    let updated: Vec<_> = live
        .nodes
        .iter()
        .filter(|(_, node)| node.status == progress::Status::Updated)
        .map(|(name, _)| name.clone())
        .collect();
    let [waits, went_back] = updated.as_slice() else {
        panic!("{updated:?}");
    };
    live.nodes.get_mut(waits).expect("a node").status = progress::Status::Staged;
    live.nodes.get_mut(went_back).expect("a node").status = progress::Status::RolledBack;
    live.status = Status::RollingBack;
    live.turn = Some(Turn {
        scope: Scope::Nodes(BTreeSet::from([went_back.clone()])),
        class: Class::HealthGateFailed,
        since_run_ms: 0,
    });
    let tick = Command::Tick { previous_ms: 0 };
    assert_eq!(by_the_leader(&mut state, tick), Ok(()));
    let ended = &state.plans[&plan];
    assert_eq!(ended.status, Status::Failed);
    let said = ended.detail.clone().unwrap_or_default();
    assert!(
        said.ends_with(&format!("not taken back: {waits}")),
        "{said}"
    );
}

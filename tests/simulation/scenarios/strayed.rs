//! I10: a node that is updated, and then found on another binary.

use aegis_updates::fleet::observation::{Database, Notice, Observation, Report};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress;
use aegis_updates::plans::strategy::OnNodeFailure;

use super::{PLAN_MS, begun, by, story};
use crate::setting::plain;

/// A plan with one node updated and others not yet; that node then reports that it was taken back while it was alone.
fn went_back_alone(on_node_failure: OnNodeFailure) -> (State, progress::Status) {
    let mut setting = plain(3);
    setting.strategy.on_node_failure = on_node_failure;
    let mut world = begun(1, setting);
    let updated = |state: &State| {
        let mut nodes = state.live_plan()?.nodes.iter();
        let done = nodes.find(|(_, node)| node.status == progress::Status::Updated)?;
        Some((done.0.clone(), done.1.rollback_target.clone()?))
    };
    world.run_until(PLAN_MS, |world| updated(&world.oracle.state).is_some());
    let Some((name, back)) = updated(&world.oracle.state) else {
        panic!("nobody was updated\n{}", story(&world));
    };
    let mut state = world.oracle.state.clone();
    let plan = state.live_plan().expect("it is live").id;
    let node = state.nodes[&name].clone();
    let restored = Observation {
        node: name.clone(),
        generation: node.generation,
        sequence: node.sequence + 1,
        database: Database {
            digest: Some(back.digest),
            installed: Some(back.digest),
            version: Some(back.version),
            healthy: true,
            drained: false,
        },
        report: Report::Noticed(Notice::ActedIsolated {
            detail: "without quorum this host restored the rollback target".to_owned(),
        }),
    };
    let seen = by(&mut state, node.member, Command::Observe(restored));
    assert_eq!(seen, Ok(()));
    let status = state.plans[&plan].nodes[&name].status.clone();
    (state, status)
}

/// Found by seeds 109185 and 200087: the plan went on, and was Completed with that node on its old binary.
#[test]
fn a_node_that_went_back_alone_is_not_updated() {
    let (state, status) = went_back_alone(OnNodeFailure::RollbackAll);
    let plan = state.plans.values().next().expect("it is there");
    assert_eq!(plan.status, Status::RolledBack, "nobody else was begun");
    assert_eq!(status, progress::Status::RolledBack, "it is back already");
    let (state, status) = went_back_alone(OnNodeFailure::Pause);
    let plan = state.live_plan().expect("it waits for an operator");
    assert!(matches!(plan.status, Status::Paused { .. }));
    assert!(matches!(status, progress::Status::Failed { .. }));
}

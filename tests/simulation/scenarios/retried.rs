//! A node that an operator has tried again, overtaken by a rollback that is not its own.

use std::collections::BTreeSet;

use aegis_updates::base::failure::Class;
use aegis_updates::base::ids::NodeName;
use aegis_updates::fleet::intent::{Evidence, Goal};
use aegis_updates::fleet::observation::{Answer, Observation, Report};
use aegis_updates::machine::command::{Command, Purpose, Take};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::{Scope, Status, Turn};
use aegis_updates::plans::progress::{self, Step};
use aegis_updates::plans::strategy::OnNodeFailure;

use super::{begun, by, by_the_leader, story, three, until_in};
use crate::setting::plain;

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

/// The node's own host says this of its newest generation, with the plan's binary running, healthy.
fn says(state: &mut State, name: &NodeName, report: Report) -> Result<(), Refusal> {
    let node = &state.nodes[name];
    let target = state.live_plan().and_then(|plan| plan.target_of(name));
    let target = target.expect("the plan has a target");
    let mut database = node.database.clone();
    database.digest = Some(target.digest);
    database.installed = Some(target.digest);
    database.version = Some(target.version);
    (database.healthy, database.drained) = (true, false);
    let observation = Observation {
        node: name.clone(),
        generation: node.generation,
        sequence: node.sequence + 1,
        database,
        report,
    };
    by(state, node.member, Command::Observe(observation))
}

/// Its soak failed, it was tried again, and its preflight found the plan's own binary running, healthy: taken back
/// later, it "went back" to that.
#[test]
fn a_node_tried_again_goes_back_to_what_it_ran_before_the_plan() {
    let mut setting = plain(3);
    setting.strategy.on_node_failure = OnNodeFailure::Pause;
    let mut world = begun(1, setting);
    until_in(&mut world, Step::Soaking);
    let mut state = world.oracle.state.clone();
    let plan = state.live_plan().expect("a plan is live").clone();
    let soaks = progress::Status::Updating {
        step: Some(Step::Soaking),
    };
    let mut nodes = plan.nodes.iter();
    let (node, before) = nodes
        .find(|(_, node)| node.status == soaks)
        .expect("a node soaks");
    let old = before.rollback_target.clone().expect("it has one");
    let new = plan.target_of(node).expect("the plan has a target");
    assert_ne!(old, new);

    let failed = Answer::Failed {
        step: Step::Soaking,
        class: Class::HealthGateFailed,
        detail: "it fell ill for a while".to_owned(),
    };
    let answer = |answer| Report::Answered {
        answer,
        acted: true,
    };
    assert_eq!(says(&mut state, node, answer(failed)), Ok(()));
    let retry = Command::RetryNode {
        plan: plan.id,
        node: node.clone(),
    };
    assert_eq!(by_the_leader(&mut state, retry), Ok(()));
    let preflight = Report::Preflight {
        rollback_target: new.clone(),
    };
    assert_eq!(says(&mut state, node, preflight), Ok(()));
    assert_eq!(says(&mut state, node, answer(Answer::AlreadyThere)), Ok(()));
    let updated = &state.plans[&plan.id].nodes[node];
    assert_eq!(updated.status, progress::Status::Updated);
    assert_eq!(updated.rollback_target, Some(old.clone()));

    let back = Command::Rollback {
        plan: plan.id,
        nodes: None,
    };
    assert_eq!(by_the_leader(&mut state, back), Ok(()));
    let take = Command::Take(Take {
        plan: plan.id,
        revision: state.plans[&plan.id].revision,
        node: node.clone(),
        after: state.nodes[node].generation,
        purpose: Purpose::Rollback { marked: true },
        evidence: vec![Evidence {
            node: node.clone(),
            healthy: false,
            age_ms: 0,
        }],
    });
    state.head.term.handoff_failed = true;
    assert_eq!(by_the_leader(&mut state, take), Ok(()));
    let goal = state.nodes[node].intent.clone().map(|intent| intent.goal);
    let wanted = Goal::Rollback {
        target: old,
        marked: true,
    };
    assert_eq!(goal, Some(wanted));
}

/// Found by seed 2740: the new binary does not start, the node was to be tried again, and the plan was rolled back:
/// with its database down it counted as one that had never moved, and kept its slot until `rollback_deadline`.
#[test]
fn a_node_down_on_the_new_binary_that_was_to_be_tried_again_goes_back() {
    let mut setting = plain(3);
    setting.strategy.on_node_failure = OnNodeFailure::Pause;
    let mut world = begun(1, setting);
    until_in(&mut world, Step::Verifying);
    let mut state = world.oracle.state.clone();
    let plan = state.live_plan().expect("a plan is live").clone();
    let verifies = progress::Status::Updating {
        step: Some(Step::Verifying),
    };
    let mut nodes = plan.nodes.iter();
    let found = nodes.find(|(_, node)| node.status == verifies);
    let name = found.expect("a node verifies").0;
    let node = state.nodes[name].clone();
    let mut database = node.database.clone();
    database.installed = plan.target_of(name).map(|target| target.digest);
    (database.digest, database.version, database.healthy) = (None, None, false);
    let answer = Answer::Failed {
        step: Step::Verifying,
        class: Class::HealthGateFailed,
        detail: "the database is not running".to_owned(),
    };
    let failed = Observation {
        node: name.clone(),
        generation: node.generation,
        sequence: node.sequence + 1,
        database,
        report: Report::Answered {
            answer,
            acted: true,
        },
    };
    let failed = by(&mut state, node.member, Command::Observe(failed));
    assert_eq!(failed, Ok(()));
    let (plan, node) = (plan.id, name.clone());
    let retry = Command::RetryNode { plan, node };
    assert_eq!(by_the_leader(&mut state, retry), Ok(()));
    assert!(state.nodes[name].slot.is_some());
    let back = Command::Rollback { plan, nodes: None };
    assert_eq!(by_the_leader(&mut state, back), Ok(()));
    let status = &state.plans[&plan].nodes[name].status;
    assert!(
        matches!(status, progress::Status::Failed { .. }),
        "{}: nobody would take it back",
        status.name()
    );
}

//! SPEC §6: a rollback that fails leaves the plan Failed, the node NeedsOperator, and no other node touched.

use aegis_updates::base::failure::Class;
use aegis_updates::base::ids::NodeName;
use aegis_updates::fleet::observation::{Answer, Observation, Report};
use aegis_updates::machine::command::{Command, NodeFailure};
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress;

use super::{PLAN_MS, begun, by, by_the_leader, story, taken_back};
use crate::setting::plain;

fn fails(state: &mut State, node: &NodeName) {
    let fails = Command::FailNode(NodeFailure {
        plan: state.live_plan().expect("it is live").id,
        node: node.clone(),
        after: state.nodes[node].generation,
        class: Class::HealthGateFailed,
        detail: "no answer".to_owned(),
        seen_run_ms: None,
    });
    assert_eq!(by_the_leader(state, fails), Ok(()));
}

/// Two nodes past their second begin, both failed since; the first is on its way back.
fn two_failed() -> (State, NodeName, NodeName) {
    let mut setting = plain(5);
    setting.strategy.max_unavailable = 2;
    let mut world = begun(1, setting);
    let found = |state: &State| {
        let leads = |name: &NodeName| Some(state.nodes[name].member) == state.head.term.leader;
        let held = state.nodes.values().filter(|node| node.past_boundary());
        let names: Vec<_> = held.map(|node| node.name.clone()).collect();
        (names.len() == 2 && !names.iter().any(leads)).then_some(names)
    };
    world.run_until(PLAN_MS, |world| found(&world.oracle.state).is_some());
    let Some(names) = found(&world.oracle.state) else {
        panic!("no two are in hand\n{}", story(&world));
    };
    let mut state = world.oracle.state.clone();
    fails(&mut state, &names[0]);
    assert_eq!(taken_back(&mut state, &names[0], true, |_| false), Ok(()));
    (state, names[0].clone(), names[1].clone())
}

fn ended(state: &State) {
    let plan = state.plans.values().next().expect("it is there");
    assert_eq!(plan.status, Status::Failed, "{:?}", plan.detail);
    let detail = plan.detail.clone().unwrap_or_default();
    assert!(detail.contains("an operator is needed at"), "{detail}");
}

/// Found by seed 301112 and five more: the other one had failed and held its slot, and the plan waited for it until
/// its deadline, though nothing more was to be done there.
#[test]
fn another_failed_node_does_not_hold_up_the_end() {
    let (mut state, first, second) = two_failed();
    fails(&mut state, &first);
    let plan = state.live_plan().expect("the second is at work");
    assert_eq!(plan.status, Status::RollingBack);
    fails(&mut state, &second);
    assert!(state.nodes[&second].slot.is_some(), "its host has not said");
    ended(&state);
}

/// Found by seed 109298: the other one had given its rollback back, and would only be taken again.
#[test]
fn nor_does_one_that_would_be_taken_again() {
    let (mut state, first, second) = two_failed();
    fails(&mut state, &second);
    assert_eq!(taken_back(&mut state, &second, true, |_| false), Ok(()));
    let node = state.nodes[&second].clone();
    let mut database = node.database.clone();
    (database.version, database.healthy) = (None, false);
    let gives_back = Command::Observe(Observation {
        node: second.clone(),
        generation: node.generation,
        sequence: node.sequence + 1,
        database,
        report: Report::Answered {
            answer: Answer::GivenBack {
                reason: "take_too_old".to_owned(),
            },
            acted: true,
        },
    });
    assert_eq!(by(&mut state, node.member, gives_back), Ok(()));
    assert!(state.nodes[&second].slot.is_some(), "it is sick");
    let status = &state.live_plan().expect("it goes on").nodes[&second].status;
    assert!(matches!(status, progress::Status::RollingBack { .. }));
    fails(&mut state, &first);
    ended(&state);
}

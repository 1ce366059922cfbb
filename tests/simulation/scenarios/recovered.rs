//! SPEC §6: a node that got its slot for being unhealthy, and recovered, needs an ordinary slot.

use aegis_updates::base::failure::Class;
use aegis_updates::base::ids::NodeName;
use aegis_updates::fleet::observation::{Answer, Observation, Report};
use aegis_updates::machine::command::{Command, NodeFailure};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::State;
use aegis_updates::plans::gates::Gate;
use aegis_updates::plans::progress::{Status, Step};

use super::{PLAN_MS, begun, by, by_the_leader, story, taken_back};
use crate::setting::plain;

/// Found by seed 110177: a node was taken back as unhealthy beside the one in hand, its host found it recovering and
/// answered so while it was not healthy yet, which kept its slot. On that slot it was taken as a healthy node, and
/// two were down by plan where one may be.
#[test]
fn a_recovered_node_waits_for_an_ordinary_slot() {
    let mut world = begun(1, plain(5));
    let found = |state: &State| {
        let plan = state.live_plan()?;
        let soaks = Status::Updating {
            step: Some(Step::Soaking),
        };
        let held = plan.nodes.iter().find(|(_, node)| node.status == soaks)?;
        let leads = |name: &NodeName| Some(state.nodes[name].member) == state.head.term.leader;
        let mut nodes = plan.nodes.iter();
        let done = nodes.find(|(name, node)| node.status == Status::Updated && !leads(name))?;
        Some((held.0.clone(), done.0.clone()))
    };
    world.run_until(PLAN_MS, |world| found(&world.oracle.state).is_some());
    let Some((held, sick)) = found(&world.oracle.state) else {
        panic!(
            "nobody is in hand beside one that is done\n{}",
            story(&world)
        );
    };
    let mut state = world.oracle.state.clone();
    let fails = Command::FailNode(NodeFailure {
        plan: state.live_plan().expect("it is live").id,
        node: sick.clone(),
        after: state.nodes[&sick].generation,
        class: Class::HealthGateFailed,
        detail: "unhealthy after it was updated".to_owned(),
        seen_run_ms: None,
    });
    assert_eq!(by_the_leader(&mut state, fails), Ok(()));
    assert_eq!(back(&mut state, &sick, true), Ok(()));
    let node = state.nodes[&sick].clone();
    let mut database = node.database.clone();
    (database.version, database.healthy) = (None, false);
    let recovers = Command::Observe(Observation {
        node: sick.clone(),
        generation: node.generation,
        sequence: node.sequence + 1,
        database,
        report: Report::Answered {
            answer: Answer::Recovered,
            acted: true,
        },
    });
    assert_eq!(by(&mut state, node.member, recovers), Ok(()));
    assert!(state.nodes[&sick].slot.is_some(), "it is not healthy yet");
    let refused = back(&mut state.clone(), &sick, false);
    assert!(
        matches!(&refused, Err(Refusal::GateShut { red }) if red.gate == Gate::Slot),
        "{refused:?}"
    );
    // Unhealthy again, it waits for nobody.
    assert_eq!(back(&mut state.clone(), &sick, true), Ok(()));
    // With the other's slot free, its own is as good as any.
    state.nodes.get_mut(&held).expect("it is there").slot = None;
    assert_eq!(back(&mut state, &sick, false), Ok(()));
}

/// A rollback of `node`, marked or not, on the evidence that all the others are healthy.
fn back(state: &mut State, node: &NodeName, marked: bool) -> Result<(), Refusal> {
    taken_back(state, node, marked, |name| !marked || name != node)
}

//! SPEC §4: a take rests on the evidence that it recorded. What moved between decision and entry is judged anew
//! when the entry is applied.

use aegis_updates::base::ids::NodeName;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::State;
use aegis_updates::plans::gates::Gate;
use aegis_updates::plans::progress::Status;

use super::{PLAN_MS, by_the_leader, story, taken_back, three};

/// Found by seed 412: a rollback was decided while its node held a slot, for which no count is asked; the slot
/// was freed, and the entry passed as a take of its own with one healthy database beside it.
#[test]
fn a_rollback_decided_with_a_slot_is_counted_when_the_slot_is_gone() {
    let mut world = three(1);
    let updated = |state: &State| {
        let plan = state.live_plan()?;
        let mut nodes = plan.nodes.iter();
        nodes.find_map(|(name, node)| (node.status == Status::Updated).then(|| name.clone()))
    };
    world.run_until(PLAN_MS, |world| updated(&world.oracle.state).is_some());
    let Some(node) = updated(&world.oracle.state) else {
        panic!("nobody was updated\n{}", story(&world));
    };
    let state = turned(&world.oracle.state);
    assert!(judged(&state, &node, &["n1", "n2", "n3"]).is_ok());
    let refused = judged(&state, &node, &[node.as_str()]);
    assert!(
        matches!(&refused, Err(Refusal::GateShut { red }) if red.gate == Gate::Databases),
        "{refused:?}"
    );
}

/// The same state with its plan going back, and no slot held.
fn turned(state: &State) -> State {
    let mut state = state.clone();
    let plan = state.live_plan().expect("it is live").id;
    by_the_leader(&mut state, Command::Rollback { plan, nodes: None }).expect("a live plan turns");
    for node in state.nodes.values_mut() {
        node.slot = None;
    }
    state
}

/// An unmarked rollback of `node`, on the evidence that `healthy` are.
fn judged(state: &State, node: &NodeName, healthy: &[&str]) -> Result<(), Refusal> {
    taken_back(&mut state.clone(), node, false, |name| {
        healthy.contains(&name.as_str())
    })
}

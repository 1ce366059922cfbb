//! An operator's word about a slot or a drifted node.

use crate::base::ids::NodeName;
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};

/// Frees a slot whose host cannot answer. It gives a new generation, so that a host that comes back
/// after all does nothing more for the old one.
pub fn release(
    state: &mut State,
    context: &mut Context<'_>,
    name: &NodeName,
    host_is_off: bool,
    heard: bool,
) -> Result<Reply, Refusal> {
    let node = state.node(name)?;
    if node.slot.is_none() {
        return Err(Refusal::NoSlot { node: name.clone() });
    }
    if heard {
        return Err(Refusal::HostHeard { node: name.clone() });
    }
    if !node.open.is_empty() && !host_is_off {
        return Err(Refusal::BeginOpen { node: name.clone() });
    }
    let node = state.node_mut(name)?;
    node.generation = node.generation.next();
    node.intent = None;
    node.answered = None;
    node.open.clear();
    node.slot = None;
    context.facts.push(Fact::SlotFreed {
        node: name.clone(),
        how: "released by an operator".to_owned(),
    });
    Ok(Reply::Done)
}

pub fn clear_drift(
    state: &mut State,
    context: &mut Context<'_>,
    name: &NodeName,
) -> Result<Reply, Refusal> {
    let node = state.node_mut(name)?;
    if node.drifted.take().is_none() {
        return Ok(Reply::Unchanged);
    }
    context
        .facts
        .push(Fact::DriftCleared { node: name.clone() });
    Ok(Reply::Done)
}

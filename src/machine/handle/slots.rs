//! An operator's word about a slot or a drifted node.

use crate::base::ids::{NodeName, PlanId};
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::handle::edges::move_node;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::progress::{Progress, Status};

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
    let plan = node.slot.as_ref().map(|slot| slot.plan);
    let untouched = !node.past_boundary();
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
    if let Some(plan) = plan.filter(|_| untouched) {
        put_back_untouched(state, context, plan, name)?;
    }
    Ok(Reply::Done)
}

/// Nothing was swapped for this take, and nobody will say so any more: the node is where it was before it. A plan
/// that goes back would else wait for it.
fn put_back_untouched(
    state: &mut State,
    context: &mut Context<'_>,
    plan: PlanId,
    name: &NodeName,
) -> Result<(), Refusal> {
    let waits = state.plans.get(&plan).is_some_and(|plan| {
        let node = plan.nodes.get(name);
        let updating = |node: &Progress| matches!(node.status, Status::Updating { .. });
        plan.status.is_live() && node.is_some_and(updating)
    });
    if waits {
        move_node(state, context, plan, name, |status| status.give_back())?;
    }
    Ok(())
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

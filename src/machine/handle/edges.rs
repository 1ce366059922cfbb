//! The two ways a plan's picture changes, each with its fact: a node's status and the plan's.

use crate::base::ids::{NodeName, PlanId};
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::refusal::Refusal;
use crate::machine::state::State;
use crate::plans::plan::{Plan, WrongStatus};
use crate::plans::progress::{Progress, Status, WrongEdge};

/// A node's progress within a plan.
pub fn progress<'a>(
    state: &'a State,
    plan: PlanId,
    node: &NodeName,
) -> Result<&'a Progress, Refusal> {
    let plan = state.plan(plan)?;
    plan.nodes.get(node).ok_or_else(|| Refusal::NotInPlan {
        plan: plan.id,
        node: node.clone(),
    })
}

/// Moves a node along an edge of its status machine.
pub fn move_node(
    state: &mut State,
    context: &mut Context<'_>,
    plan: PlanId,
    node: &NodeName,
    edge: impl FnOnce(&Status) -> Result<Status, WrongEdge>,
) -> Result<(), Refusal> {
    let run_ms = state.run_ms();
    let plan = state.plan_mut(plan)?;
    let Some(progress) = plan.nodes.get_mut(node) else {
        return Err(Refusal::NotInPlan {
            plan: plan.id,
            node: node.clone(),
        });
    };
    let to = edge(&progress.status)?;
    let from = progress.status.clone();
    if progress.enter(to.clone(), run_ms) {
        plan.progressed_run_ms = run_ms;
    }
    if to == from {
        return Ok(());
    }
    let (class, detail) = match &to {
        Status::Failed { class, detail } | Status::NeedsOperator { class, detail } => {
            (Some(*class), Some(detail.clone()))
        }
        Status::Skipped { reason } => (None, Some(reason.clone())),
        _ => (None, None),
    };
    context.facts.push(Fact::NodeStatus {
        plan: plan.id,
        node: node.clone(),
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        class,
        detail,
    });
    Ok(())
}

/// Moves a plan along an edge of its status machine.
pub fn move_plan(
    state: &mut State,
    context: &mut Context<'_>,
    plan: PlanId,
    edge: impl FnOnce(&mut Plan) -> Result<(), WrongStatus>,
) -> Result<(), Refusal> {
    let clock = state.head.clock;
    let plan = state.plan_mut(plan)?;
    let from = plan.status.clone();
    edge(plan).map_err(|wrong| Refusal::WrongStatus {
        plan: plan.id,
        status: wrong.status,
        event: wrong.event,
    })?;
    plan.progressed_run_ms = clock.run_ms;
    if plan.status.is_final() {
        plan.ended_wall_ms = Some(clock.wall_ms);
    }
    if plan.status != from {
        let (from, to) = (from.name().to_owned(), plan.status.name().to_owned());
        context.facts.push(Fact::PlanStatus {
            plan: plan.id,
            from,
            to,
            detail: plan.detail.clone(),
        });
    }
    Ok(())
}

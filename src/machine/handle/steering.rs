//! An operator's hand on a plan: pause, resume, cancel, retry, skip. A repeated act changes nothing.

use crate::base::failure::Class;
use crate::base::ids::{NodeName, PlanId};
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::handle::edges::{move_node, move_plan, progress};
use crate::machine::handle::plans::stage;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::plan::{Direction, Scope, Status, Turn};
use crate::plans::progress;

pub fn pause(state: &mut State, context: &mut Context<'_>, id: PlanId) -> Result<Reply, Refusal> {
    let plan = state.plan(id)?;
    if matches!(plan.status, Status::Paused { .. }) {
        return Ok(Reply::Unchanged);
    }
    let quorum_lost = plan.notice_until_run_ms.is_some();
    let detail = context.reason.map_or_else(
        || "paused by an operator".to_owned(),
        |reason| format!("paused: {reason}"),
    );
    move_plan(state, context, id, |plan| {
        plan.pause(quorum_lost)?;
        plan.detail = Some(detail);
        Ok(())
    })?;
    operator_changed(state, id)
}

pub fn resume(
    state: &mut State,
    context: &mut Context<'_>,
    id: PlanId,
    direction: Option<Direction>,
) -> Result<Reply, Refusal> {
    let run_ms = state.run_ms();
    let plan = state.plan(id)?;
    let Status::Paused { of, quorum_lost } = plan.status else {
        if plan.status.is_live() && direction.is_none() {
            return Ok(Reply::Unchanged);
        }
        return Err(wrong(id, &plan.status, "resume"));
    };
    if quorum_lost && direction.is_none() {
        return Err(Refusal::DirectionNeeded { plan: id });
    }
    match (of, direction.unwrap_or(of)) {
        (Direction::Back, Direction::Forward) => {
            return Err(wrong(id, &plan.status, "go forward again"));
        }
        (Direction::Forward, Direction::Back) => {
            let turn = Turn {
                scope: Scope::All,
                class: Class::ManualRollbackRequested,
                since_run_ms: run_ms,
            };
            move_plan(state, context, id, |plan| plan.turn(turn))?;
        }
        (_, direction) => move_plan(state, context, id, |plan| {
            plan.resume(direction)?;
            plan.detail = None;
            if let Some(turn) = &mut plan.turn {
                turn.since_run_ms = run_ms;
            }
            Ok(())
        })?,
    }
    operator_changed(state, id)
}

pub fn cancel(state: &mut State, context: &mut Context<'_>, id: PlanId) -> Result<Reply, Refusal> {
    let plan = state.plan(id)?;
    if plan.cancelling || plan.status == Status::Cancelled {
        return Ok(Reply::Unchanged);
    }
    match plan.status {
        Status::Pending => move_plan(state, context, id, |plan| plan.cancelled())?,
        Status::InProgress
        | Status::Paused {
            of: Direction::Forward,
            ..
        } => {
            let plan = state.plan_mut(id)?;
            plan.cancelling = true;
            plan.notice_until_run_ms = None;
            context.facts.push(Fact::PlanCancelling { plan: id });
        }
        _ => return Err(wrong(id, &plan.status, "cancel")),
    }
    operator_changed(state, id)
}

pub fn retry_node(
    state: &mut State,
    context: &mut Context<'_>,
    id: PlanId,
    name: &NodeName,
) -> Result<Reply, Refusal> {
    let plan = state.plan(id)?;
    if !matches!(
        plan.status,
        Status::InProgress
            | Status::Paused {
                of: Direction::Forward,
                ..
            }
    ) {
        return Err(wrong(id, &plan.status, "retry a node"));
    }
    let status = &progress(state, id, name)?.status;
    let node = state.node(name)?;
    if !matches!(
        status,
        progress::Status::Failed { .. } | progress::Status::Skipped { .. }
    ) {
        return Err(wrong_node(name, status, "be tried again"));
    }
    if node.past_boundary() {
        return Err(Refusal::BeginOpen { node: name.clone() });
    }
    let in_hand = node.slot.is_some();
    move_node(state, context, id, name, |status| status.retry())?;
    if in_hand {
        // Its binary is staged; the next take keeps the slot.
        move_node(state, context, id, name, |status| status.staged())?;
    } else {
        stage(state, id, name)?;
    }
    operator_changed(state, id)
}

pub fn skip_node(
    state: &mut State,
    context: &mut Context<'_>,
    id: PlanId,
    name: &NodeName,
) -> Result<Reply, Refusal> {
    let plan = state.plan(id)?;
    if !plan.status.is_live() {
        return Err(wrong(id, &plan.status, "skip a node"));
    }
    let status = progress(state, id, name)?.status.clone();
    if matches!(status, progress::Status::Skipped { .. }) {
        return Ok(Reply::Unchanged);
    }
    let reason = context
        .reason
        .unwrap_or("skipped by an operator")
        .to_owned();
    if status.skip(reason.clone()).is_err() {
        return Err(wrong_node(name, &status, "be skipped"));
    }
    move_node(state, context, id, name, |status| status.skip(reason))?;
    operator_changed(state, id)
}

/// What an operator changed makes every decision resting on the plan before it void.
pub fn operator_changed(state: &mut State, id: PlanId) -> Result<Reply, Refusal> {
    let plan = state.plan_mut(id)?;
    plan.revision += 1;
    Ok(Reply::Plan {
        id,
        revision: plan.revision,
    })
}

pub fn wrong(plan: PlanId, status: &Status, event: &str) -> Refusal {
    Refusal::WrongStatus {
        plan,
        status: status.name().to_owned(),
        event: event.to_owned(),
    }
}

pub fn wrong_node(node: &NodeName, status: &progress::Status, event: &str) -> Refusal {
    Refusal::WrongNodeStatus {
        node: node.clone(),
        status: status.name().to_owned(),
        event: event.to_owned(),
    }
}

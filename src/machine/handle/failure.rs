//! What the leader found out: a node that failed or does not answer, databases that do not serve.

use crate::base::ids::{Generation, NodeName, PlanId};
use crate::base::sabotage::Bug;
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::command::NodeFailure;
use crate::machine::handle::edges::{move_node, move_plan, progress};
use crate::machine::handle::observe::fail;
use crate::machine::handle::take::{from_the_leader, stale};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::plan::{Direction, Status};
use crate::plans::progress;
use crate::plans::strategy::{OnQuorumLoss, OnUnreachable};

/// Marks a node failed. Its slot, if it holds one, stays. One that moved on since the decision is judged anew.
pub fn fail_node(
    state: &mut State,
    context: &mut Context<'_>,
    failed: &NodeFailure,
) -> Result<Reply, Refusal> {
    let (plan, name) = (failed.plan, &failed.node);
    from_the_leader(context)?;
    still_so(state, plan, name, failed.after)?;
    let progress = progress(state, plan, name)?;
    if failed
        .seen_run_ms
        .is_some_and(|seen_ms| seen_ms != progress.since_run_ms)
    {
        return Err(stale(format!("{name} has moved on")));
    }
    let status = &progress.status;
    let can_fail = matches!(
        status,
        progress::Status::Pending
            | progress::Status::Staging
            | progress::Status::Updating { .. }
            | progress::Status::Updated
            | progress::Status::RollingBack { .. }
    );
    if !can_fail {
        return Err(stale(format!("{name} is {}", status.name())));
    }
    fail(state, context, plan, name, failed.class, &failed.detail)?;
    if Bug::TimeoutFreesSlot.is_planted() {
        let node = state.node_mut(name)?;
        node.slot = None;
        node.answered = Some(crate::fleet::node::Answered {
            answer: crate::fleet::observation::Answer::StoodDown,
            acted: true,
        });
    }
    Ok(Reply::Done)
}

/// The strategy's `on_unreachable`. A rollback waits until its own deadline instead.
pub fn give_up(
    state: &mut State,
    context: &mut Context<'_>,
    plan: PlanId,
    name: &NodeName,
    after: Generation,
) -> Result<Reply, Refusal> {
    from_the_leader(context)?;
    still_so(state, plan, name, after)?;
    let found = state.plan(plan)?;
    if found.status != Status::InProgress {
        return Err(stale(format!("plan {plan} is {}", found.status)));
    }
    let status = &progress(state, plan, name)?.status;
    if status.skip(String::new()).is_err() {
        return Err(stale(format!("{name} is {}", status.name())));
    }
    match found.strategy.on_unreachable {
        OnUnreachable::Pause => move_plan(state, context, plan, |plan| {
            plan.pause(plan.notice_until_run_ms.is_some())?;
            plan.detail = Some(format!("paused: the host of {name} does not answer"));
            Ok(())
        })?,
        OnUnreachable::Skip => {
            let reason = "its host does not answer".to_owned();
            move_node(state, context, plan, name, |status| status.skip(reason))?;
        }
    }
    Ok(Reply::Done)
}

/// Quorum loss of the second kind: databases, on the leader's evidence.
pub fn lose_quorum(
    state: &mut State,
    context: &mut Context<'_>,
    plan: PlanId,
    lost: &[NodeName],
) -> Result<Reply, Refusal> {
    from_the_leader(context)?;
    let found = state.plan(plan)?;
    if !found.status.is_live() || found.notice_until_run_ms.is_some() {
        return Err(stale(format!("plan {plan} is {}", found.status)));
    }
    let names: Vec<&str> = lost.iter().map(NodeName::as_str).collect();
    quorum_was_lost(
        state,
        context,
        plan,
        format!("databases do not serve: {}", names.join(", ")),
    )?;
    Ok(Reply::Done)
}

/// Starts the notice, or pauses, as the strategy says; a paused plan remembers it; a rollback goes on.
pub fn quorum_was_lost(
    state: &mut State,
    context: &mut Context<'_>,
    id: PlanId,
    cause: String,
) -> Result<(), Refusal> {
    let run_ms = state.run_ms();
    let plan = state.plan(id)?;
    match plan.status {
        Status::InProgress if plan.notice_until_run_ms.is_none() => {
            context.facts.push(Fact::QuorumLost {
                plan: id,
                cause: cause.clone(),
            });
            match plan.strategy.on_quorum_loss {
                OnQuorumLoss::RollbackAll => {
                    let plan = state.plan_mut(id)?;
                    plan.notice_until_run_ms =
                        Some(run_ms.saturating_add(plan.strategy.rollback_notice.0));
                    plan.detail = Some(format!(
                        "quorum was lost ({cause}); everything is taken back unless it is paused"
                    ));
                    Ok(())
                }
                OnQuorumLoss::Pause => move_plan(state, context, id, |plan| {
                    plan.pause(true)?;
                    plan.detail = Some(format!("paused: quorum was lost ({cause})"));
                    Ok(())
                }),
            }
        }
        Status::Paused {
            of: Direction::Forward,
            quorum_lost: false,
        } => {
            context.facts.push(Fact::QuorumLost { plan: id, cause });
            state.plan_mut(id)?.status = Status::Paused {
                of: Direction::Forward,
                quorum_lost: true,
            };
            Ok(())
        }
        _ => Ok(()),
    }
}

fn still_so(
    state: &State,
    plan: PlanId,
    name: &NodeName,
    after: Generation,
) -> Result<(), Refusal> {
    let found = state.plan(plan)?;
    let node = state.node(name)?;
    if !found.status.is_live() {
        return Err(stale(format!("plan {plan} is {}", found.status)));
    }
    if node.generation != after {
        return Err(stale(format!(
            "{name} is at generation {}",
            node.generation
        )));
    }
    Ok(())
}

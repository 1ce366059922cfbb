//! Terms, ticks and handoffs: what the leader says about time and about itself.

use crate::base::failure::Class;
use crate::base::ids::{MemberId, PlanId};
use crate::base::limits::HANDOFF_TRIES_MAX;
use crate::base::sabotage::Bug;
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::handle::edges::move_plan;
use crate::machine::handle::failure::quorum_was_lost;
use crate::machine::handle::take::from_the_leader;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::plan::{Plan, Scope, Status, Turn};
use crate::plans::progress;

/// The first command of a term. A gap longer than the grace, with a plan live, was a loss of quorum;
/// a mere change of leader is shorter.
pub fn open(
    state: &mut State,
    context: &mut Context<'_>,
    idle_ms: Option<u64>,
) -> Result<Reply, Refusal> {
    from_the_leader(context)?;
    if state.head.term.opened {
        return Err(Refusal::TermAlreadyOpen);
    }
    state.head.term.opened = true;
    context.facts.push(Fact::TermOpened {
        leader: context.position.leader,
        idle_ms,
    });
    if let Some(gap) = idle_ms {
        let gap = match Bug::LeaderChangeIsLoss.is_planted() {
            true => u64::MAX,
            false => gap,
        };
        judge_gap(state, context, gap, "no entry was committed")?;
    }
    Ok(Reply::Done)
}

pub fn tick(
    state: &mut State,
    context: &mut Context<'_>,
    previous_ms: u64,
) -> Result<Reply, Refusal> {
    from_the_leader(context)?;
    judge_gap(state, context, previous_ms, "an entry was not committed")?;
    let run_ms = state.run_ms();
    let Some(plan) = state.live_plan().cloned() else {
        return Ok(Reply::Done);
    };
    deadlines(state, context, &plan, run_ms)?;
    Ok(Reply::Done)
}

/// The leader of an opened term had applied nothing for that long when it made this entry, though ticks were due:
/// it was frozen together with the others, and may lose its term before its next tick tells of it.
pub fn judge_silence(
    state: &mut State,
    context: &mut Context<'_>,
    elapsed_ms: u64,
) -> Result<(), Refusal> {
    judge_gap(state, context, elapsed_ms, "its leader applied no entry")
}

fn judge_gap(
    state: &mut State,
    context: &mut Context<'_>,
    gap_ms: u64,
    what: &str,
) -> Result<(), Refusal> {
    let grace = state
        .head
        .cluster
        .as_ref()
        .map(|cluster| cluster.settings.quorum_loss_grace_ms);
    let live = state.live_plan().map(|plan| plan.id);
    match (grace, live) {
        (Some(grace), Some(plan)) if gap_ms > grace => quorum_was_lost(
            state,
            context,
            plan,
            format!("voters had no quorum: {what} for {gap_ms} ms"),
        ),
        _ => Ok(()),
    }
}

/// What `run` time alone decides about the live plan.
fn deadlines(
    state: &mut State,
    context: &mut Context<'_>,
    plan: &Plan,
    run_ms: u64,
) -> Result<(), Refusal> {
    let id = plan.id;
    if plan
        .notice_until_run_ms
        .is_some_and(|until| run_ms >= until)
    {
        let turn = Turn {
            scope: Scope::All,
            class: Class::QuorumLost,
            since_run_ms: run_ms,
        };
        return move_plan(state, context, id, |plan| plan.turn(turn));
    }
    if plan.cancelling {
        if run_ms.saturating_sub(plan.progressed_run_ms) > plan.strategy.rollback_deadline.0 {
            return move_plan(state, context, id, |plan| {
                plan.detail = Some("cancelled; a host in hand did not answer".to_owned());
                plan.cancelled()
            });
        }
        return Ok(());
    }
    match plan.status {
        Status::InProgress => {
            if run_ms.saturating_sub(plan.progressed_run_ms) > plan.strategy.progress_deadline.0 {
                return move_plan(state, context, id, |plan| {
                    plan.pause(false)?;
                    plan.detail =
                        Some("paused: no node made progress within progress_deadline".to_owned());
                    Ok(())
                });
            }
            Ok(())
        }
        Status::RollingBack => overdue_rollback(state, context, plan, id, run_ms),
        _ => Ok(()),
    }
}

fn overdue_rollback(
    state: &mut State,
    context: &mut Context<'_>,
    plan: &Plan,
    id: PlanId,
    run_ms: u64,
) -> Result<(), Refusal> {
    let since = plan.turn.as_ref().map_or(run_ms, |turn| turn.since_run_ms);
    if run_ms.saturating_sub(since) <= plan.strategy.rollback_deadline.0 {
        return Ok(());
    }
    let done = |status: &progress::Status| {
        matches!(
            status,
            progress::Status::RolledBack | progress::Status::Skipped { .. }
        )
    };
    let left: Vec<String> = plan
        .nodes
        .iter()
        .filter(|(name, node)| plan.takes_back(name) && node.begun && !done(&node.status))
        .map(|(name, _)| name.to_string())
        .collect();
    move_plan(state, context, id, |plan| {
        plan.fail(format!(
            "rollback_deadline passed; not rolled back: {}",
            left.join(", ")
        ))
    })
}

/// Three tries, or no target at all, and the leader's own node may be taken without a handoff.
pub fn handoff_failed(
    state: &mut State,
    context: &mut Context<'_>,
    target: Option<MemberId>,
    reason: &str,
) -> Result<Reply, Refusal> {
    from_the_leader(context)?;
    let term = &mut state.head.term;
    term.handoff_tries += 1;
    term.handoff_failed = target.is_none() || term.handoff_tries >= HANDOFF_TRIES_MAX;
    context.facts.push(Fact::HandoffFailed {
        target,
        reason: reason.to_owned(),
        tries: term.handoff_tries,
    });
    if term.handoff_failed {
        let pauses = state.live_plan().filter(|plan| {
            plan.status == Status::InProgress
                && plan.strategy.on_handoff_failure
                    == crate::plans::strategy::OnHandoffFailure::Pause
        });
        if let Some(id) = pauses.map(|plan| plan.id) {
            move_plan(state, context, id, |plan| {
                plan.pause(false)?;
                plan.detail = Some("paused: leadership could not be handed over".to_owned());
                Ok(())
            })?;
        }
    }
    Ok(Reply::Done)
}

//! I22: no begin is accepted without quorum; a change of leader, a clock jump or an outage up to the grace rolls
//! back, fails and repeats nothing.

use aegis_updates::base::limits::{QUORUM_ACK_AGE_MAX, RECONNECT_GRACE, TICK_INTERVAL};
use aegis_updates::journal::fact::Fact;
use aegis_updates::machine::command::{Command, NodeFailure};

use crate::oracle::Step;

/// What the clocks of a real group may differ by between append and commit.
const SLACK_MS: u64 = 100;

/// A leader appended a begin; a majority had answered it this long ago.
pub fn quorum_behind(age_ms: u64) -> Result<(), String> {
    if age_ms <= QUORUM_ACK_AGE_MAX.0 {
        return Ok(());
    }
    Err(format!(
        "a begin was appended {age_ms} ms after a majority last answered"
    ))
}

pub fn judge(step: &Step<'_>) -> Result<(), String> {
    for record in step.facts {
        match &record.fact {
            Fact::QuorumLost { cause, .. } if cause.contains("voters") => gap_was_real(step)?,
            Fact::PlanStatus {
                plan,
                detail: Some(detail),
                ..
            } if detail.contains("progress_deadline") => {
                let (since_ms, _) = step.times.progressed.get(plan).copied().unwrap_or_default();
                let allowed = step
                    .after
                    .plans
                    .get(plan)
                    .map_or(0, |plan| plan.strategy.progress_deadline.0);
                // The entry itself has just moved it, so a fresh time is the pause's own.
                if since_ms != step.now_ms && step.now_ms - since_ms + SLACK_MS < allowed {
                    return Err(format!(
                        "progress_deadline after {} ms",
                        step.now_ms - since_ms
                    ));
                }
            }
            _ => {}
        }
    }
    late_was_late(step)?;
    wall_is_a_majoritys(step.after.head.clock.wall_ms, step.times.wall_bound_ms)?;
    run_is_slow(step)
}

/// Quorum loss by the log: the real time without a commit, or without a quorum, was longer than the grace.
fn gap_was_real(step: &Step<'_>) -> Result<(), String> {
    let grace = step
        .after
        .head
        .cluster
        .as_ref()
        .map_or(0, |cluster| cluster.settings.quorum_loss_grace_ms);
    let idle = step.now_ms - step.times.appended_ms;
    let times = step.times;
    // A tick that was late and then slow is one outage by its leader's reckoning, though something else came between.
    let late_and_slow = times.silence.0 + times.tick_ms() + TICK_INTERVAL.0;
    let real = [idle, late_and_slow, times.gap_ms, times.silence.0];
    if real.into_iter().any(|real_ms| real_ms + SLACK_MS > grace) {
        return Ok(());
    }
    let [_, late_and_slow, gap, silence] = real;
    Err(format!(
        "quorum called lost {idle} ms after the newest entry, the grace is {grace} ms; \
         late and slow {late_and_slow} ms, gap {gap} ms, silence {silence} ms"
    ))
}

/// A host called late had at least the time in which it may reconnect.
fn late_was_late(step: &Step<'_>) -> Result<(), String> {
    let (
        Command::FailNode(NodeFailure {
            plan, node, detail, ..
        }),
        Ok(_),
    ) = (step.command, step.result)
    else {
        return Ok(());
    };
    let Some((since_ms, _)) = step.times.since.get(&(*plan, node.clone())) else {
        return Ok(());
    };
    let had = step.appended_ms.saturating_sub(*since_ms);
    if !detail.starts_with("no answer")
        || *since_ms >= step.appended_ms
        || had + SLACK_MS >= RECONNECT_GRACE.0
    {
        return Ok(());
    }
    Err(format!("{node} was called late after {had} ms"))
}

/// The replicated wall time is never ahead of what the clocks of a majority have reached.
pub fn wall_is_a_majoritys(wall_ms: u64, bound_ms: u64) -> Result<(), String> {
    if wall_ms <= bound_ms {
        return Ok(());
    }
    Err(format!(
        "the wall time is {} ms ahead of any majority's clocks",
        wall_ms - bound_ms
    ))
}

/// `run` never outruns real time, whatever the wall clocks did.
fn run_is_slow(step: &Step<'_>) -> Result<(), String> {
    let run_ms = step.after.head.clock.run_ms;
    if run_ms <= step.now_ms + SLACK_MS {
        return Ok(());
    }
    Err(format!(
        "run time {run_ms} ms is ahead of real time {} ms",
        step.now_ms
    ))
}

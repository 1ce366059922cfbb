//! I1: on the evidence that an accepted take recorded, enough databases stay healthy; and never more slots are
//! held by nodes that were healthy when taken than the live plan allows.

use aegis_updates::base::limits::HEALTH_AGE_MAX;
use aegis_updates::machine::command::{Command, Purpose};

use crate::oracle::Step;

pub fn judge(step: &Step<'_>) -> Result<(), String> {
    let (Command::Take(take), Some(before), Ok(_)) = (step.command, step.before, step.result)
    else {
        return Ok(());
    };
    let Ok(plan) = before.plan(take.plan) else {
        return Ok(());
    };
    let holds = |name| {
        before
            .nodes
            .get(name)
            .is_some_and(|node| node.slot.is_some())
    };
    let healthy = take
        .evidence
        .iter()
        .filter(|seen| seen.node != take.node && seen.healthy && seen.age_ms <= HEALTH_AGE_MAX.0)
        .filter(|seen| before.nodes.contains_key(&seen.node) && !holds(&seen.node))
        .count();
    let needed = plan.strategy.min_available_of(before.nodes.len());
    let asks = match take.purpose {
        Purpose::Update => true,
        Purpose::Rollback { marked } => !marked && !holds(&take.node),
    };
    if asks && healthy < needed {
        return Err(format!(
            "{} was taken with {healthy} healthy others, {needed} are needed",
            take.node
        ));
    }
    let served = step
        .after
        .nodes
        .values()
        .filter(|node| node.slot.as_ref().is_some_and(|slot| slot.was_healthy))
        .count();
    let allowed = plan.strategy.max_unavailable as usize;
    if served > allowed {
        return Err(format!(
            "{served} slots are held by nodes that served, {allowed} are allowed"
        ));
    }
    Ok(())
}

//! I3: no node is taken for an update while another, on the recorded evidence, is unhealthy or unknown. Slot
//! holders are in hand already; a skipped node does not block; sick nodes of the plan do not wait for one another.

use aegis_updates::base::ids::NodeName;
use aegis_updates::base::limits::HEALTH_AGE_MAX;
use aegis_updates::machine::command::{Command, Purpose, Take};
use aegis_updates::machine::state::State;
use aegis_updates::plans::progress::Status;

use crate::oracle::Step;

pub fn judge(step: &Step<'_>) -> Result<(), String> {
    let (Command::Take(take), Some(before), Ok(_)) = (step.command, step.before, step.result)
    else {
        return Ok(());
    };
    if take.purpose == Purpose::Update {
        others_are_well(take, before)
    } else {
        Ok(())
    }
}

fn others_are_well(take: &Take, before: &State) -> Result<(), String> {
    let Ok(plan) = before.plan(take.plan) else {
        return Ok(());
    };
    let seen = |name: &NodeName| {
        let found = take.evidence.iter().find(|seen| seen.node == *name);
        found
            .filter(|seen| seen.age_ms <= HEALTH_AGE_MAX.0)
            .map(|seen| seen.healthy)
    };
    let candidate_is_sick = seen(&take.node) == Some(false);
    for (name, node) in &before.nodes {
        let skipped = plan
            .nodes
            .get(name)
            .is_some_and(|node| matches!(node.status, Status::Skipped { .. }));
        if *name == take.node || node.slot.is_some() || skipped {
            continue;
        }
        match seen(name) {
            Some(true) => {}
            Some(false) if candidate_is_sick && plan.nodes.contains_key(name) => {}
            Some(false) => {
                return Err(format!(
                    "{} was taken while {name} was unhealthy",
                    take.node
                ));
            }
            None => return Err(format!("{} was taken while {name} was unknown", take.node)),
        }
    }
    Ok(())
}

/// The voters' side, judged when the leader decides: those who truly answer, without the candidate's and every
/// slot holder's, are a majority of the configured ones.
pub fn voters_stay(answering: usize, configured: usize) -> Result<(), String> {
    let needed = aegis_updates::base::numbers::majority(configured);
    if configured < 3 || answering >= needed {
        return Ok(());
    }
    Err(format!(
        "a take was decided with {answering} answering voters besides, {needed} of {configured} are needed"
    ))
}

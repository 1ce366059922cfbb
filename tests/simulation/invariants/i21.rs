//! I21: rollback stays possible until the point of no return, and is refused up front where it is not: a plan that
//! would take a node to an older version is not created and not executed unless it says so.

use std::collections::BTreeSet;

use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{NodeName, PlanId};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::plans::plan::Plan;

use crate::oracle::Step;

pub fn judge(step: &Step<'_>) -> Result<(), String> {
    match (step.command, step.result) {
        (Command::CreatePlan(_) | Command::Execute { .. }, Ok(Reply::Plan { id, .. })) => {
            older(step.after, *id)
        }
        (Command::Rollback { plan, nodes }, Err(Refusal::NothingToRollBack { .. })) => {
            let plan = step.after.plans.get(plan);
            plan.map_or(Ok(()), |plan| left(step.after, plan, nodes.as_ref()))
        }
        _ => Ok(()),
    }
}

/// No node goes to an older version without permission.
fn older(state: &State, id: PlanId) -> Result<(), String> {
    let Some(plan) = state.plans.get(&id) else {
        return Ok(());
    };
    let Some(release) = plan
        .release
        .as_ref()
        .filter(|_| !plan.strategy.allow_downgrade)
    else {
        return Ok(());
    };
    for (name, node) in &state.nodes {
        let asked = plan
            .asked_nodes
            .as_ref()
            .is_none_or(|asked| asked.contains(name));
        let runs = node.database.version.as_deref();
        let runs = runs.and_then(|version| version.parse::<semver::Version>().ok());
        if let Some(runs) = runs.filter(|runs| asked && *runs > release.version) {
            return Err(format!(
                "{id} takes {name} from {runs} to {} and does not say that it may",
                release.version
            ));
        }
    }
    Ok(())
}

/// A rollback was refused, and a node runs what the plan put there.
fn left(state: &State, plan: &Plan, only: Option<&BTreeSet<NodeName>>) -> Result<(), String> {
    let left = plan.nodes.iter().find(|(name, progress)| {
        let asked = only.is_none_or(|only| only.contains(*name));
        let put = plan.target_of(name).map(|target| target.digest);
        let old = progress
            .rollback_target
            .as_ref()
            .map(|target| target.digest);
        let runs = state.nodes.get(*name).and_then(|node| node.database.digest);
        asked && old.is_some() && old != put && runs.is_some() && runs == put
    });
    left.map_or(Ok(()), |(name, _)| {
        Err(format!(
            "nothing of {} to roll back, they say; {name} runs its binary",
            plan.id
        ))
    })
}

/// A host renames the new file over the old one: what it would go back to lies on it.
pub fn can_go_back(backups: &BTreeSet<Digest>, target: Digest) -> Result<(), String> {
    if backups.contains(&target) {
        return Ok(());
    }
    Err(format!("{} is not kept to go back to", target.short()))
}

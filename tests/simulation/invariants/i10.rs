//! I10: a final plan says which nodes run what. `Completed` only if the last health of each node carried the
//! plan's version; `RolledBack` only if none is left on the new binary.

use aegis_updates::agent::machine::Ledger;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::PlanId;
use aegis_updates::fleet::observation::{Notice, Observation, Report};
use aegis_updates::journal::fact::Fact;
use aegis_updates::plans::plan::{Plan, Status};
use aegis_updates::plans::spec::Kind;

pub use super::ended::ended_truly;
use crate::oracle::Step;
use crate::world::World;

/// What the log itself says at the entry that ended a plan.
pub fn judge_state(step: &Step<'_>) -> Result<(), String> {
    for record in step.facts {
        went_back_there(step, &record.fact)?;
        if let Fact::PlanStatus { plan, .. } = &record.fact
            && let Some(plan) = step.after.plans.get(plan)
        {
            ended_truly(step.after, plan)?;
        }
    }
    Ok(())
}

/// A node goes back to what it had said before its first begin of the plan, however often it was tried since.
fn went_back_there(step: &Step<'_>, fact: &Fact) -> Result<(), String> {
    let (plan, name, what, goes_to) = match fact {
        Fact::Taken {
            plan, node, goal, ..
        } if goal == "rollback" => {
            let intent = step
                .after
                .nodes
                .get(node)
                .and_then(|node| node.intent.as_ref());
            let wanted = intent.and_then(|intent| intent.goal.wants());
            (plan, node, "is taken", wanted.map(|binary| binary.digest))
        }
        Fact::NodeStatus { plan, node, to, .. } if to == "RolledBack" => {
            let runs = step.after.nodes.get(node).map(|node| node.database.digest);
            (plan, node, "went", runs.flatten())
        }
        _ => return Ok(()),
    };
    // A plan of kind rollback leads where another plan went from.
    let leads_back = |plan: &Plan| plan.kind == Kind::Rollback;
    if step.after.plans.get(plan).is_some_and(leads_back) {
        return Ok(());
    }
    let from = step.times.went_from.get(&(*plan, name.clone()));
    if from.is_none() || from == goes_to.as_ref() {
        return Ok(());
    }
    let short = |digest: Option<&Digest>| digest.map(Digest::short);
    Err(format!(
        "{name} {what} back to {:?}, it went from {:?}",
        short(goes_to.as_ref()),
        short(from)
    ))
}

/// What the hosts really run when a plan has just ended.
pub fn judge(world: &mut World, ended: PlanId) {
    let found = world.oracle.state.plans.get(&ended).and_then(|plan| {
        plan.nodes.keys().find_map(|name| {
            let member = world
                .members
                .iter()
                .find(|member| member.name == *name && !member.removed)?;
            if acted_unheard(&member.agent.disk) {
                return None;
            }
            let process = member.host.process.as_ref();
            let target = plan.target_of(name)?;
            let runs = Runs {
                installed: member.host.installed,
                says: process.map(super::super::world::host::Process::says_version),
            };
            really(plan, name.as_str(), &runs, target.digest, &target.version).err()
        })
    });
    if let Some(detail) = found {
        world.oracle.broken("I10", detail);
    }
}

/// What it did without quorum the log does not show yet: the host says it when it can.
fn acted_unheard(ledger: &Ledger) -> bool {
    let says_so =
        |said: &Observation| matches!(said.report, Report::Noticed(Notice::ActedIsolated { .. }));
    ledger.alone.is_some() || ledger.outbox.iter().any(says_so)
}

pub struct Runs {
    pub installed: Option<Digest>,
    pub says: Option<String>,
}

pub fn really(
    plan: &Plan,
    name: &str,
    runs: &Runs,
    digest: Digest,
    version: &str,
) -> Result<(), String> {
    if plan.status != Status::Completed {
        return Ok(());
    }
    if runs.installed != Some(digest) {
        return Err(format!(
            "{} is Completed, {name} has {:?} installed",
            plan.id, runs.installed
        ));
    }
    if runs.says.as_ref().is_some_and(|says| says != version) {
        return Err(format!(
            "{} is Completed at {version}, {name} says {:?}",
            plan.id, runs.says
        ));
    }
    Ok(())
}

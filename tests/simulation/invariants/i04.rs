//! I4: the node of the leader of the take's own term is never taken first, unless the handoff is recorded as
//! failed or there is one voter; and a first begin is accepted only in its take's term, and no begin
//! of an update unless its plan is in progress.

use aegis_updates::base::ids::NodeName;
use aegis_updates::fleet::intent::{Goal, Which};
use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::{Plan, Status};

use crate::oracle::Step;

pub fn judge(step: &Step<'_>) -> Result<(), String> {
    let (Some(before), Ok(_)) = (step.before, step.result) else {
        return Ok(());
    };
    match step.command {
        Command::Take(take) => {
            let Some(node) = before.nodes.get(&take.node) else {
                return Ok(());
            };
            let leads = node.member == step.position.leader && node.slot.is_none();
            let excused =
                before.head.term.handoff_failed || before.head.membership.voters.len() <= 1;
            if leads && !excused {
                return Err(format!(
                    "{} leads term {} and was taken first",
                    take.node, step.position.term
                ));
            }
            Ok(())
        }
        Command::Begin { node, begin } => {
            let intent = before.nodes.get(node).and_then(|node| node.intent.as_ref());
            let update = intent.filter(|intent| matches!(intent.goal, Goal::Update { .. }));
            if let Some(plan) = update.and_then(|intent| before.plans.get(&intent.plan)) {
                in_progress(node, plan)?;
            }
            if begin.which == Which::Second {
                return Ok(());
            }
            let taken = intent
                .and_then(|intent| intent.taken.as_ref())
                .map(|taken| taken.term);
            if taken == Some(step.position.term) {
                return Ok(());
            }
            Err(format!(
                "{node} began in term {} what was taken in {taken:?}",
                step.position.term
            ))
        }
        _ => Ok(()),
    }
}

/// Neither begin of an update is accepted unless its plan goes forward.
pub fn in_progress(node: &NodeName, plan: &Plan) -> Result<(), String> {
    let stopping = plan.cancelling || plan.notice_until_run_ms.is_some();
    if plan.status == Status::InProgress && !stopping {
        return Ok(());
    }
    Err(format!(
        "{node} began an update of {}, which is {} (being stopped: {stopping})",
        plan.id, plan.status
    ))
}

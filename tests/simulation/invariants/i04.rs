//! I4: the node of the leader of the take's own term is never taken first, unless the handoff is recorded as
//! failed or there is one voter; and a first begin is accepted only in its take's term.

use aegis_updates::fleet::intent::Which;
use aegis_updates::machine::command::Command;

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
        Command::Begin { node, begin } if begin.which == Which::First => {
            let intent = before.nodes.get(node).and_then(|node| node.intent.as_ref());
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

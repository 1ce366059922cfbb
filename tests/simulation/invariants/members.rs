//! A node whose member the log has removed, or is about to, is not taken (SPEC §2).

use aegis_updates::machine::command::Command;

use crate::oracle::Step;

pub fn judge(step: &Step<'_>) -> Result<(), String> {
    let (Command::Take(take), Some(before), Ok(_)) = (step.command, step.before, step.result)
    else {
        return Ok(());
    };
    let membership = &before.head.membership;
    let node = before.nodes.get(&take.node);
    let belongs = node.is_some_and(|node| membership.members.contains(&node.member));
    if belongs && membership.opened.is_none() && !membership.joint {
        return Ok(());
    }
    Err(format!(
        "{} was taken, member {:?}; the configuration is {membership:?}",
        take.node,
        node.map(|node| node.member)
    ))
}

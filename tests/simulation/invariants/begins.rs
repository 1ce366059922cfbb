//! A begin counts only for the newest attempt of the newest generation, and only while its plan still wants the
//! node disrupted (SPEC §4). Judged where the log accepts one, and where a host uses one.

use aegis_updates::base::ids::{Generation, NodeName};
use aegis_updates::fleet::intent::{Begin, Goal, Which};
use aegis_updates::fleet::node::Node;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::{Direction, Plan, Status};
use aegis_updates::plans::progress;

use crate::oracle::Step;

pub fn judge(step: &Step<'_>) -> Result<(), String> {
    if let (Command::StandDown { node, .. }, Some(before), Ok(_)) =
        (step.command, step.before, step.result)
    {
        return before.nodes.get(node).map_or(Ok(()), stands_down);
    }
    let (Command::Begin { node: name, begin }, Some(before), Ok(_)) =
        (step.command, step.before, step.result)
    else {
        return Ok(());
    };
    let Some(node) = before.nodes.get(name) else {
        return Err(format!("a begin of {name}, which is no node"));
    };
    is_newest(node, begin)?;
    let goal = node
        .intent
        .as_ref()
        .map(|intent| (&intent.goal, intent.plan));
    let wanted = goal.is_some_and(|(goal, plan)| {
        before
            .plans
            .get(&plan)
            .is_some_and(|plan| wants(plan, name, goal))
    });
    if !wanted {
        return Err(format!(
            "a begin of {name}, which its plan does not want disrupted"
        ));
    }
    let counted: Vec<&Begin> = step
        .after
        .nodes
        .get(name)
        .into_iter()
        .flat_map(|node| &node.open)
        .filter(|open| (open.which, open.generation) == (begin.which, begin.generation))
        .collect();
    if counted != [begin] {
        return Err(format!("of {name}'s begins {counted:?} count at once"));
    }
    Ok(())
}

/// Past its boundary only a node's own answer, or a rollback, ends what it does.
pub fn stands_down(node: &Node) -> Result<(), String> {
    let second = |open: &&Begin| open.which == Which::Second;
    match node.open.iter().find(second) {
        None => Ok(()),
        Some(open) => Err(format!(
            "{} is told to stand down past its boundary, {open:?}",
            node.name
        )),
    }
}

fn is_newest(node: &Node, begin: &Begin) -> Result<(), String> {
    let overtaken = node.open.iter().any(|open| {
        (open.which, open.generation) == (begin.which, begin.generation)
            && open.attempt >= begin.attempt
    });
    if begin.generation != node.generation || node.answered.is_some() || overtaken {
        return Err(format!(
            "{begin:?} of {}, which is at {}, answered {:?}, with {:?}",
            node.name, node.generation, node.answered, node.open
        ));
    }
    Ok(())
}

/// Whether the plan is for disrupting this node in this way.
fn wants(plan: &Plan, name: &NodeName, goal: &Goal) -> bool {
    let Some(progress) = plan.nodes.get(name) else {
        return false;
    };
    let turned = matches!(
        plan.status,
        Status::RollingBack
            | Status::Paused {
                of: Direction::Back,
                ..
            }
    );
    match (goal, &progress.status) {
        (Goal::Update { .. }, progress::Status::Updating { .. }) => {
            plan.status == Status::InProgress
        }
        (Goal::Rollback { .. }, progress::Status::RollingBack { .. }) => turned,
        (Goal::Rollback { .. }, progress::Status::Updating { .. }) => plan.is_way_back(),
        _ => false,
    }
}

/// A host renames for a generation; `attempt` is its newest at any begin.
pub fn used(
    state: &State,
    name: &NodeName,
    generation: Generation,
    attempt: u64,
) -> Result<(), String> {
    let Some(node) = state
        .nodes
        .get(name)
        .filter(|node| node.generation == generation)
    else {
        return Ok(());
    };
    let wanted = Begin {
        generation,
        which: Which::Second,
        attempt,
    };
    if node.open.contains(&wanted) {
        return Ok(());
    }
    Err(format!(
        "{name} renames for {generation} by attempt {attempt}, the log has {:?}",
        node.open
    ))
}

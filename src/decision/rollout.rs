//! The next act of a plan that goes forward.

use crate::base::limits::TAKE_AGE_MAX;
use crate::decision::decide::Decision;
use crate::decision::waiting::Wait;
use crate::decision::{gates, handoff, order};
use crate::fleet::intent::Which;
use crate::fleet::node::Node;
use crate::fleet::view::ClusterView;
use crate::machine::command::{Command, Purpose, Take};
use crate::machine::state::State;
use crate::plans::gates::Red;
use crate::plans::plan::Plan;
use crate::plans::progress::Status;

pub fn next(state: &State, view: &ClusterView, plan: &Plan) -> Decision {
    let mut waits = Vec::new();
    for (name, progress) in &plan.nodes {
        let Some(node) = state.nodes.get(name) else {
            continue;
        };
        match &progress.status {
            Status::Pending | Status::Staging => {
                let next = "the first node is taken when every node has the binary";
                waits.push(
                    Wait::node("staging", name, "the binary is being staged", next)
                        .since(progress.since_run_ms),
                );
            }
            Status::Updating { .. } => match in_hand(state, view, plan, node) {
                Some(command) => return Decision::propose(command),
                None => waits.push(host_works(
                    node,
                    view,
                    progress.since_run_ms,
                    progress.status.name(),
                )),
            },
            _ => {}
        }
    }
    if !plan.all_staged() {
        return Decision::wait(waits);
    }
    take_next(state, view, plan, waits)
}

/// A take that its host never began, and may not begin any more, is made again on fresh evidence; so is one that an
/// operator released, when its host is heard again.
fn in_hand(state: &State, view: &ClusterView, plan: &Plan, node: &Node) -> Option<Command> {
    let released = node.intent.is_none() && node.slot.is_none();
    let again = released || is_stale(state, view, node);
    if !again || node.past_boundary() {
        return None;
    }
    let heard = view
        .hosts
        .get(&node.name)
        .is_some_and(|host| host.fresh().is_some());
    let (purpose, red) = gates_of(state, view, plan, node);
    (heard && red.is_empty()).then(|| take(view, plan, node, purpose))
}

/// An unhealthy node of a plan that leads back waits for nothing but the quorum, as in any rollback.
fn gates_of(state: &State, view: &ClusterView, plan: &Plan, node: &Node) -> (Purpose, Vec<Red>) {
    if plan.is_way_back() && order::is_sick(view, node) {
        let purpose = Purpose::Rollback { marked: true };
        return (purpose, gates::for_rollback(state, view, plan, node));
    }
    let red = gates::for_update(state, view, plan, node);
    (Purpose::Update, red)
}

/// The take is unanswered and can no longer be begun: another term's, or too old.
pub fn is_stale(state: &State, view: &ClusterView, node: &Node) -> bool {
    let Some(taken) = node
        .intent
        .as_ref()
        .and_then(|intent| intent.taken.as_ref())
    else {
        return false;
    };
    let old =
        taken.term != view.term || state.run_ms().saturating_sub(taken.run_ms) > TAKE_AGE_MAX.0;
    old && node.answered.is_none() && node.begun(Which::First).is_none()
}

fn take_next(state: &State, view: &ClusterView, plan: &Plan, mut waits: Vec<Wait>) -> Decision {
    let staged: Vec<_> = plan
        .nodes
        .iter()
        .filter(|(_, node)| node.status == Status::Staged)
        .map(|(name, _)| name)
        .collect();
    let Some(node) = order::forward(state, view, plan.strategy.order, &staged)
        .first()
        .copied()
    else {
        return Decision::wait(waits);
    };
    let (purpose, red) = gates_of(state, view, plan, node);
    if !red.is_empty() {
        waits.extend(red.iter().map(|red| Wait::gate(&node.name, red)));
        waits.extend(blocked_by_silent(state, view, node));
        return Decision {
            waits,
            ..Decision::default()
        };
    }
    if handoff::is_due(state, view, node) {
        return hand_over(state, view, plan);
    }
    Decision {
        waits,
        ..Decision::propose(take(view, plan, node, purpose))
    }
}

/// Leadership leaves this member first; with nobody to take it, that is recorded.
pub fn hand_over(state: &State, view: &ClusterView, plan: &Plan) -> Decision {
    match handoff::target(state, view, plan) {
        Some(target) => Decision {
            handoff: Some(target),
            ..Decision::default()
        },
        None => Decision::propose(Command::HandoffFailed {
            target: None,
            reason: "no other voter is caught up and free".to_owned(),
        }),
    }
}

pub fn take(view: &ClusterView, plan: &Plan, node: &Node, purpose: Purpose) -> Command {
    Command::Take(Take {
        plan: plan.id,
        revision: plan.revision,
        node: node.name.clone(),
        after: node.generation,
        purpose,
        evidence: gates::evidence(view),
    })
}

/// The wait for a host that has the node in hand.
pub fn host_works(node: &Node, view: &ClusterView, since_ms: u64, at: &str) -> Wait {
    let heard = view
        .hosts
        .get(&node.name)
        .is_some_and(|host| host.fresh().is_some());
    if heard {
        return Wait::node(
            "host_working",
            &node.name,
            format!("in {at}"),
            "its host reports the next step",
        )
        .since(since_ms);
    }
    Wait::node(
        "host_silent",
        &node.name,
        format!("in {at}; its host does not answer"),
        "on_unreachable decides",
    )
    .since(since_ms)
}

/// Names the slot holder that does not answer, with what an operator can do about it.
pub fn blocked_by_silent(state: &State, view: &ClusterView, candidate: &Node) -> Vec<Wait> {
    let silent = |node: &&Node| {
        view.hosts
            .get(&node.name)
            .is_none_or(|host| host.fresh().is_none())
    };
    let holders = state.slots_besides(&candidate.name).filter(silent);
    let wait = |node: &Node| {
        Wait::node(
            "slot_held_by_unreachable",
            &node.name,
            "it holds a slot and its host does not answer",
            "the slot is freed when its host answers",
        )
        .helped_by([
            format!(
                "aegis-updates node release-slot {} --host-is-off --reason …",
                node.name
            ),
            format!("aegis-updates cluster remove {}", node.name),
        ])
    };
    holders.map(wait).collect()
}

//! The next act of a plan that takes nodes back. Its gates are its own: an unhealthy node waits for nothing
//! but the quorum.

use crate::decision::decide::Decision;
use crate::decision::rollout::{blocked_by_silent, hand_over, host_works, is_stale, take};
use crate::decision::waiting::Wait;
use crate::decision::{gates, handoff, order};
use crate::fleet::intent::Goal;
use crate::fleet::node::Node;
use crate::fleet::view::ClusterView;
use crate::machine::command::Purpose;
use crate::machine::settle::needs_back;
use crate::machine::state::State;
use crate::plans::plan::Plan;
use crate::plans::progress::Status;

pub fn next(state: &State, view: &ClusterView, plan: &Plan) -> Decision {
    let broken = plan
        .nodes
        .iter()
        .find(|(_, node)| matches!(node.status, Status::NeedsOperator { .. }));
    if let Some((name, _)) = broken {
        let next = "the plan ends as Failed when no node is in hand";
        return Decision::wait(vec![Wait::node(
            "needs_operator",
            name,
            "its rollback failed",
            next,
        )]);
    }
    let left: Vec<_> = plan
        .nodes
        .iter()
        .filter(|(name, node)| needs_back(plan, name, node))
        .map(|(name, _)| name)
        .collect();
    let mut waits = Vec::new();
    for node in order::back(state, view, plan, &left) {
        if works_on_it(state, view, node) {
            let progress = plan.nodes.get(&node.name);
            let (since, at) = progress.map_or((0, "RollingBack"), |node| {
                (node.since_run_ms, node.status.name())
            });
            waits.push(host_works(node, view, since, at));
            continue;
        }
        let red = gates::for_rollback(state, view, plan, node);
        if !red.is_empty() {
            waits.extend(red.iter().map(|red| Wait::gate(&node.name, red)));
            waits.extend(blocked_by_silent(state, view, node));
            continue;
        }
        if handoff::is_due(state, view, node) {
            return hand_over(state, view, plan);
        }
        let marked = order::is_sick(view, node);
        return Decision {
            waits,
            ..Decision::propose(take(view, plan, node, Purpose::Rollback { marked }))
        };
    }
    Decision::wait(waits)
}

/// Its newest generation is being worked on: a rollback that can still begin, or an update not past its
/// boundary, which is stood down first.
fn works_on_it(state: &State, view: &ClusterView, node: &Node) -> bool {
    let Some(intent) = node.intent.as_ref().filter(|_| node.answered.is_none()) else {
        return false;
    };
    let heard = view
        .hosts
        .get(&node.name)
        .is_some_and(|host| host.fresh().is_some());
    match intent.goal {
        Goal::Rollback { .. } => !(is_stale(state, view, node) && heard),
        Goal::Update { .. } => !node.past_boundary(),
        Goal::Stage { .. } => false,
        Goal::StandDown => true,
    }
}

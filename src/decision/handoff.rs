//! To whom leadership goes before the leader's own node is taken.

use crate::base::ids::MemberId;
use crate::base::sabotage::Bug;
use crate::fleet::node::Node;
use crate::fleet::view::ClusterView;
use crate::machine::state::State;
use crate::plans::plan::Plan;
use crate::plans::progress::Status;

/// True when this node must not be taken before leadership has left it.
pub fn is_due(state: &State, view: &ClusterView, node: &Node) -> bool {
    if Bug::LeaderFirst.is_planted() {
        return false;
    }
    let leads = view.me == Some(node.member);
    let alone = state.head.membership.voters.len() <= 1;
    leads && !alone && node.slot.is_none() && !state.head.term.handoff_failed
}

/// A caught-up voter: done or outside the plan before not yet due, never one that holds a slot.
pub fn target(state: &State, view: &ClusterView, plan: &Plan) -> Option<MemberId> {
    let mut targets: Vec<(bool, &Node)> = state
        .head
        .membership
        .voters
        .iter()
        .filter(|member| view.me != Some(**member))
        .filter(|member| view.voters.get(member).is_some_and(|voter| voter.caught_up))
        .filter_map(|member| state.node_of_member(*member))
        .filter(|node| node.slot.is_none())
        .map(|node| (is_still_due(plan, node), node))
        .collect();
    targets.sort_by(|(due_a, a), (due_b, b)| due_a.cmp(due_b).then_with(|| a.name.cmp(&b.name)));
    targets.first().map(|(_, node)| node.member)
}

fn is_still_due(plan: &Plan, node: &Node) -> bool {
    plan.nodes.get(&node.name).is_some_and(|progress| {
        !matches!(
            progress.status,
            Status::Updated | Status::RolledBack | Status::Skipped { .. }
        )
    })
}

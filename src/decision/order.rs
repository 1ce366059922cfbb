//! In which order nodes are taken: unhealthy ones first, then followers, the leader's node last. Worked out
//! anew at every look, since leadership moves.

use crate::base::ids::NodeName;
use crate::base::sabotage::Bug;
use crate::fleet::node::Node;
use crate::fleet::view::ClusterView;
use crate::machine::state::State;
use crate::plans::plan::Plan;
use crate::plans::strategy::Order;

/// The nodes in the order of an update.
pub fn forward<'a>(
    state: &'a State,
    view: &ClusterView,
    order: Order,
    names: &[&NodeName],
) -> Vec<&'a Node> {
    let mut nodes: Vec<&Node> = names
        .iter()
        .filter_map(|name| state.nodes.get(*name))
        .collect();
    nodes.sort_by_key(|node| {
        let zone = match order {
            Order::Zone => node.zone.clone(),
            Order::Name => None,
        };
        // Within its wave only: the next wave waits for the whole one, the leader's node included.
        (
            !is_sick(view, node),
            zone,
            leads(view, node),
            node.name.clone(),
        )
    });
    if Bug::LeaderFirst.is_planted() {
        nodes.sort_by_key(|node| !leads(view, node));
    }
    nodes
}

/// The nodes in the order of a rollback: unhealthy, then most recently changed, the leader's last.
pub fn back<'a>(
    state: &'a State,
    view: &ClusterView,
    plan: &Plan,
    names: &[&NodeName],
) -> Vec<&'a Node> {
    let mut nodes: Vec<&Node> = names
        .iter()
        .filter_map(|name| state.nodes.get(*name))
        .collect();
    nodes.sort_by_key(|node| {
        let changed = plan
            .nodes
            .get(&node.name)
            .map_or(0, |progress| progress.since_run_ms);
        (
            !is_sick(view, node),
            leads(view, node),
            std::cmp::Reverse(changed),
            node.name.clone(),
        )
    });
    nodes
}

pub fn is_sick(view: &ClusterView, node: &Node) -> bool {
    view.hosts
        .get(&node.name)
        .and_then(|host| host.fresh_health())
        == Some(false)
}

pub fn leads(view: &ClusterView, node: &Node) -> bool {
    view.leads && view.me == Some(node.member)
}

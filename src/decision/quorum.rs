//! Quorum loss of the databases: counted of the configured, and only what is known to be lost is lost.

use crate::base::duration::Millis;
use crate::base::ids::NodeName;
use crate::base::numbers::majority;
use crate::base::sabotage::Bug;
use crate::fleet::view::{ClusterView, Host};
use crate::machine::command::Command;
use crate::machine::state::State;
use crate::plans::gates::{Gate, Red};
use crate::plans::plan::Plan;
use crate::plans::spec::Kind;

/// Proposed once too few databases have been known to serve for longer than the grace.
/// A rollback is the answer to it, and is not stopped by it.
pub fn lost_for_good(state: &State, view: &ClusterView, plan: &Plan) -> Option<Command> {
    if plan.kind == Kind::Rollback {
        return None;
    }
    let grace = state.head.cluster.as_ref()?.settings.quorum_loss_grace_ms;
    let lost = lost(state, view);
    let last = lost.get(losses_needed(state, plan).checked_sub(1)?)?;
    let since = match Bug::LongestLossCounts.is_planted() {
        true => lost.first()?.1,
        false => last.1,
    };
    let names = lost.iter().map(|(name, _)| name.clone()).collect();
    (since.0 > grace).then_some(Command::LoseQuorum {
        plan: plan.id,
        lost: names,
    })
}

/// Nothing is taken while too few databases are known to serve, however short it has been.
pub fn is_being_lost(state: &State, view: &ClusterView, plan: &Plan) -> Result<(), Red> {
    let lost = lost(state, view);
    if lost.len() < losses_needed(state, plan) {
        return Ok(());
    }
    let names: Vec<&str> = lost.iter().map(|(name, _)| name.as_str()).collect();
    Err(Red::new(
        Gate::QuorumLoss,
        format!("too few databases serve; down: {}", names.join(", ")),
    ))
}

/// How many must be lost for fewer than min(majority, min_available) to be left.
fn losses_needed(state: &State, plan: &Plan) -> usize {
    let nodes = state.nodes.len();
    let needed = majority(nodes).min(plan.strategy.min_available_of(nodes));
    (nodes + 1).saturating_sub(needed)
}

/// The databases known not to serve, the longest lost first.
fn lost(state: &State, view: &ClusterView) -> Vec<(NodeName, Millis)> {
    let mut lost: Vec<(NodeName, Millis)> = state
        .nodes
        .keys()
        .filter_map(|name| Some((name.clone(), lost_since(view.hosts.get(name)?)?)))
        .collect();
    lost.sort_by(|(a, since_a), (b, since_b)| since_b.cmp(since_a).then_with(|| a.cmp(b)));
    lost
}

/// Its host says so, or its host is silent and the leader's own probe fails. Unknown counts neither way.
fn lost_since(host: &Host) -> Option<Millis> {
    if host.fresh().is_some() {
        return host.unhealthy_for;
    }
    // A look that found it serving began the loss anew.
    let since = host.served_ago.map_or(host.silent_for, |served_ago| {
        served_ago.min(host.silent_for)
    });
    (host.probed == Some(false)).then_some(since)
}

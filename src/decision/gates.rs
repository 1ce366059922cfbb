//! The gates that rest on what the leader sees now. Evidence too old is unknown, and unknown is unsafe.
//! Stored health opens nothing here.

use crate::base::ids::{MemberId, NodeName};
use crate::base::limits::QUORUM_ACK_AGE_MAX;
use crate::base::numbers::majority;
use crate::base::sabotage::Bug;
use crate::decision::{order, quorum};
use crate::fleet::intent::Evidence;
use crate::fleet::node::Node;
use crate::fleet::view::ClusterView;
use crate::machine::handle::take::previous_wave;
use crate::machine::state::State;
use crate::plans::gates::{Gate, Red};
use crate::plans::plan::Plan;
use crate::plans::progress::Status;

/// Every gate that is shut for updating this node now.
pub fn for_update(state: &State, view: &ClusterView, plan: &Plan, node: &Node) -> Vec<Red> {
    let mut red = Vec::new();
    red.extend(quorum_acknowledged(view).err());
    red.extend(members(state, view, node).err());
    red.extend(databases(state, view, plan, node).err());
    red.extend(outsiders(state, view, plan, node).err());
    red.extend(slot(state, plan, node).err());
    if !order::is_sick(view, node) {
        red.extend(previous_wave(state, plan, &node.name).err());
    }
    red.extend(membership(state, view).err());
    red.extend(quorum::is_being_lost(state, view, plan).err());
    red.extend(safe_to_stop(view, node).err());
    red
}

/// The gates of a rollback: an unhealthy node waits for nothing but the quorum.
pub fn for_rollback(state: &State, view: &ClusterView, plan: &Plan, node: &Node) -> Vec<Red> {
    let mut red = Vec::new();
    red.extend(quorum_acknowledged(view).err());
    red.extend(membership(state, view).err());
    let health = view
        .hosts
        .get(&node.name)
        .and_then(|host| host.fresh_health());
    let passes = health == Some(false) && !Bug::RollbackUnderNormalGates.is_planted();
    if passes {
        return red;
    }
    if let Some(held) = &node.slot {
        let max = plan.strategy.max_unavailable;
        if !held.was_healthy && !state.budget_has_room(&node.name, max) {
            let detail = "it has recovered, and no ordinary slot is free";
            red.push(Red::new(Gate::Slot, detail));
        }
        // Its begin asks for as much. Taken all the same, and anew whenever the take grew stale, it would never
        // give the slot back for which another such node waits.
        red.extend(databases(state, view, plan, node).err());
        return red;
    }
    if health.is_none() {
        red.push(Red::new(
            Gate::SafeToStop,
            format!("the host of {} was not heard lately", node.name),
        ));
    }
    red.extend(slot(state, plan, node).err());
    red.extend(databases(state, view, plan, node).err());
    red
}

/// What the leader knew of every node, for the record.
pub fn evidence(view: &ClusterView) -> Vec<Evidence> {
    let seen = view.hosts.iter().filter_map(|(name, host)| {
        let sample = host.fresh()?;
        Some(Evidence {
            node: name.clone(),
            healthy: sample.healthy,
            age_ms: host.age()?.0,
        })
    });
    seen.collect()
}

pub fn quorum_acknowledged(view: &ClusterView) -> Result<(), Red> {
    match view.quorum_ack_age {
        _ if Bug::QuorumAckIgnored.is_planted() => Ok(()),
        Some(age) if age <= QUORUM_ACK_AGE_MAX => Ok(()),
        Some(age) => Err(Red::new(
            Gate::Quorum,
            format!("a majority last answered {age} ago"),
        )),
        None => Err(Red::new(
            Gate::Quorum,
            "no majority has answered this leader yet",
        )),
    }
}

/// The voters that could carry on if this host and every slot holder's never came back.
pub fn members(state: &State, view: &ClusterView, candidate: &Node) -> Result<(), Red> {
    let configured = &state.head.membership.voters;
    if configured.len() < 3 {
        return Ok(());
    }
    let stays = |member: &&MemberId| {
        let node = state.node_of_member(**member);
        !node.is_some_and(|node| node.name == candidate.name || node.slot.is_some())
    };
    let caught_up =
        |member: &MemberId| view.voters.get(member).is_some_and(|voter| voter.caught_up);
    let (able, behind): (Vec<&MemberId>, Vec<&MemberId>) = configured
        .iter()
        .filter(stays)
        .partition(|member| caught_up(member));
    let needed = match Bug::AliveVotersCounted.is_planted() {
        true => majority(able.len()),
        false => majority(configured.len()),
    };
    if able.len() >= needed {
        return Ok(());
    }
    let behind: Vec<String> = behind
        .into_iter()
        .map(|member| called(state, *member))
        .collect();
    let detail = format!(
        "{} caught-up voters besides {}, {needed} are needed; behind or silent: {}",
        able.len(),
        candidate.name,
        if behind.is_empty() {
            "none".to_owned()
        } else {
            behind.join(", ")
        },
    );
    Err(Red::new(Gate::Members, detail))
}

/// Healthy databases of the whole cluster, without the candidate and every slot holder.
pub fn databases(
    state: &State,
    view: &ClusterView,
    plan: &Plan,
    candidate: &Node,
) -> Result<(), Red> {
    let healthy = |node: &&Node| {
        view.hosts
            .get(&node.name)
            .and_then(|host| host.fresh_health())
            == Some(true)
    };
    let counted = state
        .slots_free_nodes(&candidate.name)
        .filter(healthy)
        .count();
    let needed = plan.strategy.min_available_of(state.nodes.len());
    if counted >= needed {
        return Ok(());
    }
    let detail = format!(
        "{counted} databases are known healthy besides {}, {needed} are needed",
        candidate.name
    );
    Err(Red::new(Gate::Databases, detail))
}

/// Another node that is unhealthy or unknown blocks; a skipped one does not, and unhealthy nodes of the
/// plan do not wait for one another.
fn outsiders(state: &State, view: &ClusterView, plan: &Plan, candidate: &Node) -> Result<(), Red> {
    let health = |node: &Node| {
        view.hosts
            .get(&node.name)
            .and_then(|host| host.fresh_health())
    };
    let sick = health(candidate) == Some(false);
    for node in state.slots_free_nodes(&candidate.name) {
        let with_us = sick && plan.nodes.contains_key(&node.name);
        match health(node) {
            Some(true) => {}
            _ if is_skipped(plan, &node.name) => {}
            Some(false) if with_us => {}
            None if Bug::UnknownIsSafe.is_planted() => {}
            Some(false) => {
                return Err(Red::new(
                    Gate::Outsiders,
                    format!("{} is unhealthy", node.name),
                ));
            }
            None => {
                return Err(Red::new(
                    Gate::Outsiders,
                    format!("the host of {} was not heard lately", node.name),
                ));
            }
        }
    }
    Ok(())
}

fn slot(state: &State, plan: &Plan, candidate: &Node) -> Result<(), Red> {
    let holders: Vec<&str> = state
        .slots_besides(&candidate.name)
        .map(|node| node.name.as_str())
        .collect();
    if holders.len() < plan.strategy.max_unavailable as usize || Bug::SlotUnchecked.is_planted() {
        return Ok(());
    }
    Err(Red::new(
        Gate::Slot,
        format!("in hand: {}", holders.join(", ")),
    ))
}

pub fn membership(state: &State, view: &ClusterView) -> Result<(), Red> {
    if state.head.membership.is_changing() || view.membership_changing {
        return Err(Red::new(
            Gate::Membership,
            "a membership change is in progress",
        ));
    }
    Ok(())
}

fn safe_to_stop(view: &ClusterView, node: &Node) -> Result<(), Red> {
    match view.hosts.get(&node.name).and_then(|host| host.fresh()) {
        None => Err(Red::new(
            Gate::SafeToStop,
            format!("the host of {} was not heard lately", node.name),
        )),
        Some(sample) => sample
            .safe_to_stop
            .clone()
            .map_err(|why| Red::new(Gate::SafeToStop, why)),
    }
}

/// A voter as people know it: by its node, where it has one.
fn called(state: &State, member: MemberId) -> String {
    let node = state.node_of_member(member);
    node.map_or_else(|| format!("member {member}"), |node| node.name.to_string())
}

fn is_skipped(plan: &Plan, name: &NodeName) -> bool {
    plan.nodes
        .get(name)
        .is_some_and(|node| matches!(node.status, Status::Skipped { .. }))
}

//! What follows from the state by itself after every command: a failed node turns or stops its plan, a
//! plan with nothing left to do ends. Level-triggered: it looks at what is, not at what just happened.

use super::apply::Context;
use super::handle::edges::{move_node, move_plan};
use super::handle::observe::fail;
use super::refusal::Refusal;
use super::state::State;
use crate::base::digest::Digest;
use crate::base::failure::Class;
use crate::base::ids::NodeName;
use crate::base::sabotage::Bug;
use crate::plans::plan::{Plan, Scope, Status, Turn};
use crate::plans::progress::{self, Progress};
use crate::plans::strategy::OnNodeFailure;

pub fn settle(state: &mut State, context: &mut Context<'_>) {
    let Some(plan) = state.live_plan().cloned() else {
        return;
    };
    // Every edge taken here was judged from the status it leaves; a wrong one changes nothing.
    let _ = strayed(state, context, &plan);
    let Some(plan) = state.live_plan().cloned() else {
        return;
    };
    let _ = react(state, context, &plan);
    let Some(plan) = state.live_plan().cloned() else {
        return;
    };
    let _ = count_retried_in(state, context, &plan);
    let Some(plan) = state.live_plan().cloned() else {
        return;
    };
    let _ = put_untouched_back(state, context, &plan);
    let Some(plan) = state.live_plan().cloned() else {
        return;
    };
    let _ = end(state, context, &plan);
    forget_stages(state, &plan);
}

/// An updated node that runs something else by its newest report, or would when it is started: its host went back by
/// itself while it was alone, or somebody else changed it. The plan is not done there.
fn strayed(state: &mut State, context: &mut Context<'_>, plan: &Plan) -> Result<(), Refusal> {
    let left = |(name, node): (&NodeName, &Progress)| {
        let runs = runs(state, name)?;
        let strayed =
            node.status == progress::Status::Updated && runs != plan.target_of(name)?.digest;
        let back = node.rollback_target.as_ref().map(|back| back.digest);
        let class = match back == Some(runs) {
            true => Class::HealthGateFailed,
            false => Class::VersionMismatch,
        };
        strayed.then(|| (name.clone(), class, runs))
    };
    let left: Vec<_> = plan.nodes.iter().filter_map(left).collect();
    for (name, class, runs) in left {
        let detail = format!("it was updated, and is on {} again", runs.short());
        fail(state, context, plan.id, &name, class, &detail)?;
    }
    Ok(())
}

/// What the node's database runs by its newest report; with nothing running, what would be started.
fn runs(state: &State, name: &NodeName) -> Option<Digest> {
    let database = &state.nodes.get(name)?.database;
    database.digest.or(database.installed)
}

/// A node that newly failed turns, pauses or fails the plan.
fn react(state: &mut State, context: &mut Context<'_>, plan: &Plan) -> Result<(), Refusal> {
    let fresh = |name: &NodeName, node: &Progress| match &node.status {
        progress::Status::Failed { class, detail } if !plan.takes_back(name) => {
            Some((*class, detail.clone()))
        }
        _ => None,
    };
    let failed: Vec<(NodeName, Class, String)> = plan
        .nodes
        .iter()
        .filter_map(|(name, node)| {
            fresh(name, node).map(|(class, detail)| (name.clone(), class, detail))
        })
        .collect();
    let Some((name, class, detail)) = failed.first().cloned() else {
        return Ok(());
    };
    if plan.nodes.values().all(|node| !node.begun) && in_hand(state, plan).is_none() {
        // No node ever left its old binary: there is nothing to take back.
        return move_plan(state, context, plan.id, |plan| {
            plan.fail(format!("{name}: {class}: {detail}"))
        });
    }
    if plan.notice_until_run_ms.is_some() {
        // Everything is taken back when the notice ends, unless an operator says no: one node's failure
        // must not make less of it.
        return Ok(());
    }
    let turn = |scope| Turn {
        scope,
        class,
        since_run_ms: state.run_ms(),
    };
    let turn = match plan.strategy.on_node_failure {
        OnNodeFailure::RollbackAll => turn(Scope::All),
        OnNodeFailure::RollbackNode => turn(Scope::Nodes(
            failed.into_iter().map(|(name, _, _)| name).collect(),
        )),
        OnNodeFailure::Pause if plan.status == Status::InProgress => {
            return move_plan(state, context, plan.id, |plan| {
                plan.pause(false)?;
                plan.detail = Some(format!("paused: {name} failed: {class}: {detail}"));
                Ok(())
            });
        }
        OnNodeFailure::Pause => return Ok(()),
    };
    // A paused plan stays paused until it is resumed; what failed is taken back then.
    if matches!(plan.status, Status::Paused { .. }) {
        return Ok(());
    }
    move_plan(state, context, plan.id, |plan| {
        plan.turn(turn)?;
        plan.detail = Some(format!("{name} failed: {class}: {detail}"));
        Ok(())
    })
}

/// A node that was about to be tried again when the plan turned, and runs the plan's binary from the first
/// try: it goes back like any other.
fn count_retried_in(
    state: &mut State,
    context: &mut Context<'_>,
    plan: &Plan,
) -> Result<(), Refusal> {
    if plan.status != Status::RollingBack {
        return Ok(());
    }
    let left: Vec<NodeName> = plan
        .nodes
        .iter()
        .filter(|(name, node)| plan.takes_back(name) && waits_on_new(state, plan, name, node))
        .map(|(name, _)| name.clone())
        .collect();
    for name in left {
        let detail = "the plan turned before it was tried again".to_owned();
        move_node(state, context, plan.id, &name, |status| {
            status.fail(Class::ManualRollbackRequested, detail)
        })?;
    }
    Ok(())
}

/// It waits to be tried again and runs the plan's binary from the first try, or would when it is started.
fn waits_on_new(state: &State, plan: &Plan, name: &NodeName, node: &Progress) -> bool {
    let waits = matches!(
        node.status,
        progress::Status::Pending | progress::Status::Staging | progress::Status::Staged
    );
    let runs = runs(state, name);
    let new = plan.target_of(name).map(|target| target.digest);
    let old = node.rollback_target.as_ref().map(|target| target.digest);
    waits && node.begun && runs == new && new != old
}

/// A failed node whose database was never touched runs its rollback target: it is back already. One that never said
/// where it would go back to was never taken, so it is where it was, healthy or not.
fn put_untouched_back(
    state: &mut State,
    context: &mut Context<'_>,
    plan: &Plan,
) -> Result<(), Refusal> {
    if plan.status != Status::RollingBack {
        return Ok(());
    }
    let untouched: Vec<NodeName> = plan
        .nodes
        .iter()
        .filter(|(name, node)| {
            let old = node.rollback_target.as_ref().map(|target| target.digest);
            let host = state.nodes.get(*name);
            let free = host.is_some_and(|host| {
                // What is installed runs at the next start, whatever runs now.
                let seen = [host.database.digest, host.database.installed];
                host.slot.is_none() && (!node.begun || seen == [old; 2])
            });
            let failed = matches!(node.status, progress::Status::Failed { .. });
            let healthy = host.is_some_and(|host| host.database.healthy);
            failed && free && (healthy || old.is_none()) && plan.takes_back(name)
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in untouched {
        move_node(state, context, plan.id, &name, |status| {
            status.rolled_back()
        })?;
    }
    Ok(())
}

/// Ends the plan when nothing is in hand and nothing is left to do.
fn end(state: &mut State, context: &mut Context<'_>, plan: &Plan) -> Result<(), Refusal> {
    let id = plan.id;
    if in_hand(state, plan).is_some() {
        return Ok(());
    }
    let broken = names(plan, |status| {
        matches!(status, progress::Status::NeedsOperator { .. })
    });
    if !broken.is_empty() && !matches!(plan.status, Status::Paused { .. }) {
        return move_plan(state, context, id, |plan| {
            plan.fail(format!("an operator is needed at {}", broken.join(", ")))
        });
    }
    if plan.cancelling {
        return move_plan(state, context, id, Plan::cancelled);
    }
    match plan.status {
        Status::InProgress => end_forward(state, context, plan),
        Status::RollingBack => end_back(state, context, plan),
        _ => Ok(()),
    }
}

fn end_forward(state: &mut State, context: &mut Context<'_>, plan: &Plan) -> Result<(), Refusal> {
    let over = |status: &progress::Status| {
        matches!(
            status,
            progress::Status::Updated | progress::Status::Skipped { .. }
        )
    };
    if plan.notice_until_run_ms.is_some() || !plan.nodes.values().all(|node| over(&node.status)) {
        return Ok(());
    }
    let skipped = names(plan, |status| {
        matches!(status, progress::Status::Skipped { .. })
    });
    if skipped.is_empty() {
        return move_plan(state, context, plan.id, Plan::complete);
    }
    move_plan(state, context, plan.id, |plan| {
        plan.fail(format!("skipped: {}", skipped.join(", ")))
    })
}

fn end_back(state: &mut State, context: &mut Context<'_>, plan: &Plan) -> Result<(), Refusal> {
    if plan
        .nodes
        .iter()
        .any(|(name, node)| needs_back(plan, name, node))
    {
        return Ok(());
    }
    let left = |(name, node): &(&NodeName, &Progress)| {
        let stays = matches!(
            node.status,
            // Released past its boundary, it may run either.
            progress::Status::Updated
                | progress::Status::Skipped { .. }
                | progress::Status::Updating { .. }
        );
        stays || waits_on_new(state, plan, name, node)
    };
    let left = plan.nodes.iter().filter(left);
    let new: Vec<String> = left.map(|(name, _)| name.to_string()).collect();
    if new.is_empty() || Bug::MixedIsRolledBack.is_planted() {
        return move_plan(state, context, plan.id, Plan::rolled_back);
    }
    move_plan(state, context, plan.id, |plan| {
        let why = plan.detail.take().unwrap_or_default();
        plan.fail(format!("{why}; not taken back: {}", new.join(", ")))
    })
}

/// True while the rollback has work left at this node.
pub fn needs_back(plan: &Plan, name: &NodeName, node: &Progress) -> bool {
    let leaves = matches!(
        node.status,
        progress::Status::Failed { .. }
            | progress::Status::Updated
            | progress::Status::Updating { .. }
            | progress::Status::RollingBack { .. }
    );
    // A node that ran the target before the plan began is where it was.
    let moved = node.begun || matches!(node.status, progress::Status::Failed { .. });
    plan.takes_back(name) && leaves && moved
}

/// A node of the plan whose host still works, or may work, for it. Once one needs an operator no other is taken back:
/// then those that failed, or that answered and would be taken again, are given up too.
fn in_hand<'a>(state: &'a State, plan: &'a Plan) -> Option<&'a NodeName> {
    let needs_operator =
        |node: &Progress| matches!(node.status, progress::Status::NeedsOperator { .. });
    let broken = plan.nodes.values().any(needs_operator);
    plan.nodes.iter().find_map(|(name, progress)| {
        let node = state.nodes.get(name)?;
        let given_up = match progress.status {
            progress::Status::Skipped { .. } | progress::Status::NeedsOperator { .. } => true,
            progress::Status::Failed { .. } => broken,
            _ => broken && node.answered.is_some(),
        };
        let works = node.slot.as_ref().is_some_and(|slot| slot.plan == plan.id) && !given_up;
        // Released by an operator, it has no intent any more.
        let moves = matches!(progress.status, progress::Status::Updating { .. });
        (works || (moves && node.intent.is_some())).then_some(name)
    })
}

fn names(plan: &Plan, which: impl Fn(&progress::Status) -> bool) -> Vec<String> {
    plan.nodes
        .iter()
        .filter(|(_, node)| which(&node.status))
        .map(|(name, _)| name.to_string())
        .collect()
}

/// A host stops staging for a plan that has ended; its generation stays used.
fn forget_stages(state: &mut State, plan: &Plan) {
    if state
        .plans
        .get(&plan.id)
        .is_none_or(|plan| plan.status.is_live())
    {
        return;
    }
    for name in plan.nodes.keys() {
        let waits = |node: &crate::fleet::node::Node| {
            node.is_unanswered()
                && node.slot.is_none()
                && node
                    .intent
                    .as_ref()
                    .is_some_and(|intent| intent.plan == plan.id)
        };
        if state.nodes.get(name).is_some_and(waits)
            && let Ok(node) = state.node_mut(name)
        {
            node.intent = None;
        }
    }
}

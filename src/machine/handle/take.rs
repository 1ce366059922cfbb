//! Taking a node: the decision to let it be disrupted, re-checked against everything that is replicated.
//! The slot is what carries safety: a take occupies one, and only the host's answer frees it.

use crate::base::ids::{Generation, NodeName};
use crate::base::sabotage::Bug;
use crate::fleet::intent::{Goal, Intent, Taken};
use crate::fleet::node::{Node, Slot};
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::command::{Purpose, Take};
use crate::machine::handle::edges::{move_node, progress};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::gates::{Gate, Red};
use crate::plans::plan::{Plan, Status};
use crate::plans::progress;
use crate::plans::strategy::Order;

pub fn take(state: &mut State, context: &mut Context<'_>, take: &Take) -> Result<Reply, Refusal> {
    from_the_leader(context)?;
    may_take(state, context, take)?;
    let goal = goal(state, take)?;
    let (run_ms, term) = (state.run_ms(), context.position.term);
    let was_healthy = seen_healthy(take, &take.node) == Some(true);
    let deadlines = match take.purpose {
        Purpose::Update => state.plan(take.plan)?.strategy.deadlines.clone(),
        Purpose::Rollback { .. } => state.plan(take.plan)?.strategy.deadlines.for_rollback(),
    };
    match take.purpose {
        Purpose::Update => move_node(state, context, take.plan, &take.node, |status| {
            status.take()
        })?,
        Purpose::Rollback { .. } => {
            let forward = state.plan(take.plan)?.goes_forward();
            move_node(state, context, take.plan, &take.node, |status| {
                if forward {
                    status.take()
                } else {
                    status.take_back()
                }
            })?;
        }
    }
    let name = goal.name().to_owned();
    let node = state.node_mut(&take.node)?;
    let first = node.slot.is_none();
    let slot = Slot {
        plan: take.plan,
        was_healthy,
        ran: node.database.digest,
        since_run_ms: run_ms,
    };
    node.slot.get_or_insert(slot);
    node.generation = node.generation.next();
    node.answered = None;
    let taken = Taken {
        term,
        run_ms,
        was_healthy,
        evidence: take.evidence.clone(),
    };
    node.intent = Some(Intent {
        generation: node.generation,
        plan: take.plan,
        goal,
        deadlines,
        taken: Some(taken),
    });
    context.facts.push(Fact::Taken {
        plan: take.plan,
        node: take.node.clone(),
        generation: node.generation,
        goal: name,
        leader: context.position.leader,
        first,
        evidence: take.evidence.clone(),
    });
    Ok(Reply::Done)
}

/// Puts a node before its boundary back: install path equal to the running file, undrained.
pub fn stand_down(
    state: &mut State,
    context: &mut Context<'_>,
    name: &NodeName,
    after: Generation,
) -> Result<Reply, Refusal> {
    from_the_leader(context)?;
    let node = state.node(name)?;
    if node.generation != after {
        return Err(stale(format!(
            "{name} is at generation {}",
            node.generation
        )));
    }
    if node.past_boundary() && !Bug::StandDownPastBoundary.is_planted() {
        return Err(stale(format!("{name} is past its boundary")));
    }
    let Some(intent) = node
        .intent
        .clone()
        .filter(|intent| intent.goal.disrupts() && node.answered.is_none())
    else {
        return Err(stale(format!("{name} has nothing to stand down from")));
    };
    let node = state.node_mut(name)?;
    node.generation = node.generation.next();
    node.answered = None;
    node.intent = Some(Intent {
        generation: node.generation,
        goal: Goal::StandDown,
        taken: None,
        ..intent
    });
    context.facts.push(Fact::StoodDown {
        node: name.clone(),
        generation: node.generation,
    });
    Ok(Reply::Done)
}

pub fn from_the_leader(context: &Context<'_>) -> Result<(), Refusal> {
    let leader = crate::access::principal::Principal::Member {
        member: context.position.leader,
    };
    if *context.actor == leader {
        Ok(())
    } else {
        Err(Refusal::NotTheLeader)
    }
}

pub fn stale(detail: String) -> Refusal {
    Refusal::StaleDecision { detail }
}

fn may_take(state: &State, context: &Context<'_>, take: &Take) -> Result<(), Refusal> {
    let plan = state.plan(take.plan)?;
    let node = state.node(&take.node)?;
    if plan.revision != take.revision {
        return Err(stale(format!(
            "plan {} is at revision {}",
            plan.id, plan.revision
        )));
    }
    if node.generation != take.after {
        return Err(stale(format!(
            "{} is at generation {}",
            node.name, node.generation
        )));
    }
    if state.head.membership.is_changing() {
        return Err(shut(Gate::Membership, "a membership change is in progress"));
    }
    match take.purpose {
        Purpose::Update => may_update(state, plan, node, take)?,
        Purpose::Rollback { marked: true } if plan.is_way_back() => {
            may_return(state, plan, node, take)?;
        }
        Purpose::Rollback { marked } => may_go_back(state, plan, node, take, marked)?,
    }
    led_by_another(state, context, node)
}

fn may_update(state: &State, plan: &Plan, node: &Node, take: &Take) -> Result<(), Refusal> {
    let status = &progress(state, plan.id, &node.name)?.status;
    let fits = matches!(
        status,
        progress::Status::Staged | progress::Status::Updating { .. }
    );
    if !plan.goes_forward() || !plan.all_staged() || !fits || node.past_boundary() {
        return Err(moved_on(plan, node, status));
    }
    if !slot_is_free(state, plan, node) {
        return Err(shut(Gate::Slot, "no slot is free"));
    }
    others_are_known(state, plan, take)?;
    enough_serve(state, plan, take)?;
    // "Unhealthy first" outranks the order of zones.
    if seen_healthy(take, &node.name) == Some(false) {
        return Ok(());
    }
    previous_wave(state, plan, &node.name).map_err(|red| Refusal::GateShut { red })
}

fn may_go_back(
    state: &State,
    plan: &Plan,
    node: &Node,
    take: &Take,
    marked: bool,
) -> Result<(), Refusal> {
    let status = &progress(state, plan.id, &node.name)?.status;
    let due = plan.status == Status::RollingBack && plan.takes_back(&node.name);
    if !due || status.take_back().is_err() {
        return Err(moved_on(plan, node, status));
    }
    let waits = Bug::SickWaitsForSlot.is_planted() && node.slot.is_none();
    // Marked for being unhealthy, which the evidence must say too: a healthy node needs a place in the budget.
    let sick = marked && seen_healthy(take, &node.name) == Some(false);
    if sick && !waits {
        return Ok(());
    }
    if let Some(slot) = &node.slot {
        // A slot that was got for being unhealthy is no place in the budget for a healthy node.
        let room = state.budget_has_room(&node.name, plan.strategy.max_unavailable);
        if slot.was_healthy || room {
            return Ok(());
        }
        return Err(shut(Gate::Slot, "recovered, and no ordinary slot is free"));
    }
    if !slot_is_free(state, plan, node) {
        return Err(shut(Gate::Slot, "no slot is free"));
    }
    enough_serve(state, plan, take)
}

/// A plan of kind rollback takes a node that is unhealthy, by the evidence too, under a rollback's gates: what it runs
/// may be what keeps it and others from serving.
fn may_return(state: &State, plan: &Plan, node: &Node, take: &Take) -> Result<(), Refusal> {
    let status = &progress(state, plan.id, &node.name)?.status;
    if !plan.all_staged() || status.take().is_err() || node.past_boundary() {
        return Err(moved_on(plan, node, status));
    }
    if seen_healthy(take, &node.name) == Some(false) {
        return Ok(());
    }
    Err(shut(Gate::Slot, "healthy, and taken as an unhealthy node"))
}

/// The leader's own node is never taken first, but where nobody else could lead or the handoff failed.
fn led_by_another(state: &State, context: &Context<'_>, node: &Node) -> Result<(), Refusal> {
    let leads = node.member == context.position.leader;
    let leads = leads && !Bug::LeaderFirst.is_planted();
    let excused = state.head.membership.voters.len() <= 1 || state.head.term.handoff_failed;
    if leads && node.slot.is_none() && !excused {
        let detail = "this node's member leads; leadership is handed over first";
        return Err(shut(Gate::Handoff, detail));
    }
    Ok(())
}

fn slot_is_free(state: &State, plan: &Plan, node: &Node) -> bool {
    Bug::SlotUnchecked.is_planted()
        || state.slots_besides(&node.name).count() < plan.strategy.max_unavailable as usize
}

fn moved_on(plan: &Plan, node: &Node, status: &progress::Status) -> Refusal {
    stale(format!(
        "{} is {} and the plan {}",
        node.name,
        status.name(),
        plan.status
    ))
}

/// What the decision's evidence says of a node; `None`: it did not see it.
fn seen_healthy(take: &Take, name: &NodeName) -> Option<bool> {
    let found = take.evidence.iter().find(|seen| seen.node == *name);
    found.map(|seen| seen.healthy)
}

/// A node that gave its slot back since the decision may not be covered by its evidence, or was still down in
/// it: it is decided anew.
fn others_are_known(state: &State, plan: &Plan, take: &Take) -> Result<(), Refusal> {
    let sick = seen_healthy(take, &take.node) == Some(false);
    let blocks = |node: &&Node| {
        let status = plan.nodes.get(&node.name).map(|node| &node.status);
        let skipped = matches!(status, Some(progress::Status::Skipped { .. }));
        match seen_healthy(take, &node.name) {
            Some(true) => false,
            Some(false) => !(skipped || sick && status.is_some()),
            None => !skipped && !Bug::UnknownIsSafe.is_planted(),
        }
    };
    let blocking = state.slots_free_nodes(&take.node).find(blocks);
    blocking.map_or(Ok(()), |node| {
        let detail = format!("the decision did not see {} healthy", node.name);
        Err(shut(Gate::Outsiders, &detail))
    })
}

/// Slots moved since the decision, this node's own among them: what the evidence says of those that are free
/// of one now must still be enough.
fn enough_serve(state: &State, plan: &Plan, take: &Take) -> Result<(), Refusal> {
    let healthy = |node: &&Node| seen_healthy(take, &node.name) == Some(true);
    let others = state.slots_free_nodes(&take.node);
    let (counted, needed) = (
        others.filter(healthy).count(),
        plan.strategy.min_available_of(state.nodes.len()),
    );
    if counted >= needed {
        return Ok(());
    }
    let detail =
        format!("the decision saw {counted} healthy databases besides, {needed} are needed");
    Err(shut(Gate::Databases, &detail))
}

/// With zones as waves, every node of an earlier zone is Updated before a later one is taken.
pub fn previous_wave(state: &State, plan: &Plan, name: &NodeName) -> Result<(), Red> {
    if plan.strategy.order != Order::Zone {
        return Ok(());
    }
    let zone = state.nodes.get(name).and_then(|node| node.zone.as_ref());
    let behind = plan.nodes.iter().find(|(other, progress)| {
        let earlier = state
            .nodes
            .get(*other)
            .is_some_and(|other| other.zone.as_ref() < zone);
        earlier
            && !matches!(
                progress.status,
                progress::Status::Updated | progress::Status::Skipped { .. }
            )
    });
    behind.map_or(Ok(()), |(other, _)| {
        Err(Red::new(
            Gate::PreviousWave,
            format!("{other} of an earlier zone is not updated"),
        ))
    })
}

fn goal(state: &State, take: &Take) -> Result<Goal, Refusal> {
    let missing = |what: &str| Refusal::Internal {
        detail: format!("{} of {} has no {what}", take.node, take.plan),
    };
    let back = progress(state, take.plan, &take.node)?
        .rollback_target
        .clone();
    let back = back.ok_or_else(|| missing("rollback target"))?;
    let plan = state.plan(take.plan)?;
    let target = || {
        let target = plan.target_of(&take.node);
        target.ok_or_else(|| missing("target"))
    };
    Ok(match take.purpose {
        Purpose::Update => Goal::Update {
            target: target()?,
            rollback_target: back,
        },
        Purpose::Rollback { marked } if plan.is_way_back() => Goal::Rollback {
            target: target()?,
            marked,
        },
        Purpose::Rollback { marked } => Goal::Rollback {
            target: back,
            marked,
        },
    })
}

fn shut(gate: Gate, detail: &str) -> Refusal {
    Refusal::GateShut {
        red: Red::new(gate, detail),
    }
}

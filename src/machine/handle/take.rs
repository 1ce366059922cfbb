//! Taking a node: the decision to let it be disrupted, re-checked against everything that is replicated.
//! The slot is what carries safety: a take occupies one, and only the host's answer frees it.

use crate::base::ids::{Generation, NodeName};
use crate::fleet::intent::{Goal, Intent, Taken};
use crate::fleet::node::Slot;
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
    let was_healthy = take
        .evidence
        .iter()
        .any(|seen| seen.node == take.node && seen.healthy);
    let deadlines = match take.purpose {
        Purpose::Update => state.plan(take.plan)?.strategy.deadlines.clone(),
        Purpose::Rollback { .. } => state.plan(take.plan)?.strategy.deadlines.for_rollback(),
    };
    match take.purpose {
        Purpose::Update => move_node(state, context, take.plan, &take.node, |status| {
            status.take()
        })?,
        Purpose::Rollback { .. } => move_node(state, context, take.plan, &take.node, |status| {
            status.take_back()
        })?,
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
    if node.past_boundary() {
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
    let status = &progress(state, take.plan, &take.node)?.status;
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
    let free = state.slots_besides(&node.name).count() < plan.strategy.max_unavailable as usize;
    match take.purpose {
        Purpose::Update => {
            let fits = matches!(
                status,
                progress::Status::Staged | progress::Status::Updating { .. }
            );
            if !plan.goes_forward() || !plan.all_staged() || !fits || node.past_boundary() {
                return Err(stale(format!(
                    "{} is {} and the plan {}",
                    node.name,
                    status.name(),
                    plan.status
                )));
            }
            if !free {
                return Err(shut(Gate::Slot, "no slot is free"));
            }
            others_are_known(state, plan, take)?;
            // "Unhealthy first" outranks the order of zones.
            let sick = take
                .evidence
                .iter()
                .any(|seen| seen.node == take.node && !seen.healthy);
            if !sick {
                previous_wave(state, plan, &node.name).map_err(|red| Refusal::GateShut { red })?;
            }
        }
        Purpose::Rollback { marked } => {
            if plan.status != Status::RollingBack
                || !plan.takes_back(&node.name)
                || status.take_back().is_err()
            {
                return Err(stale(format!(
                    "{} is {} and the plan {}",
                    node.name,
                    status.name(),
                    plan.status
                )));
            }
            if node.slot.is_none() && !marked && !free {
                return Err(shut(Gate::Slot, "no slot is free"));
            }
        }
    }
    let leads = node.member == context.position.leader;
    #[cfg(feature = "sabotage")]
    let leads = leads && !crate::base::sabotage::Bug::LeaderFirst.is_planted();
    if leads
        && node.slot.is_none()
        && state.head.membership.voters.len() > 1
        && !state.head.term.handoff_failed
    {
        return Err(shut(
            Gate::Handoff,
            "this node's member leads; leadership is handed over first",
        ));
    }
    Ok(())
}

/// A node that gave its slot back since the decision is not covered by its evidence: it is decided anew.
fn others_are_known(state: &State, plan: &Plan, take: &Take) -> Result<(), Refusal> {
    let seen = |name: &NodeName| take.evidence.iter().any(|seen| seen.node == *name);
    let skipped = |name: &NodeName| {
        let found = plan.nodes.get(name);
        found.is_some_and(|node| matches!(node.status, progress::Status::Skipped { .. }))
    };
    let unknown = state
        .slots_free_nodes(&take.node)
        .find(|node| !seen(&node.name) && !skipped(&node.name));
    unknown.map_or(Ok(()), |node| {
        let detail = format!("the decision did not see {}", node.name);
        Err(shut(Gate::Outsiders, &detail))
    })
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
    Ok(match take.purpose {
        Purpose::Update => {
            let target = state
                .plan(take.plan)?
                .target_of(&take.node)
                .ok_or_else(|| missing("target"))?;
            Goal::Update {
                target,
                rollback_target: back,
            }
        }
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

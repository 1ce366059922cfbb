//! A host's begin. The leader appended it while its gates held; here everything replicated is checked.

use crate::access::principal::Principal;
use crate::base::ids::NodeName;
use crate::base::limits::TAKE_AGE_MAX;
use crate::base::sabotage::Bug;
use crate::fleet::intent::{Begin, Goal, Which};
use crate::fleet::node::Node;
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::handle::steering::wrong_node;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::progress::Status;

pub fn begin(
    state: &mut State,
    context: &mut Context<'_>,
    name: &NodeName,
    begin: &Begin,
) -> Result<Reply, Refusal> {
    let node = state.node(name)?;
    speaks_for(context, node)?;
    may_begin(state, node, begin)?;
    let Some(intent) = &node.intent else {
        return Err(Refusal::StaleGeneration {
            node: name.clone(),
            newest: node.generation.to_string(),
        });
    };
    if begin.which == Which::First
        && let Some(taken) = &intent.taken
    {
        if taken.term != context.position.term && !Bug::AnyTermBegins.is_planted() {
            return Err(Refusal::TakeOfOldTerm { node: name.clone() });
        }
        if state.run_ms().saturating_sub(taken.run_ms) > TAKE_AGE_MAX.0 {
            return Err(Refusal::TakeTooOld { node: name.clone() });
        }
    }
    let plan = intent.plan;
    let node = state.node_mut(name)?;
    node.open
        .retain(|open| (open.which, open.generation) != (begin.which, begin.generation));
    node.open.push(begin.clone());
    if let Some(progress) = state.plan_mut(plan)?.nodes.get_mut(name) {
        progress.begun = true;
    }
    let Begin {
        generation,
        which,
        attempt,
    } = begin.clone();
    context.facts.push(Fact::Begun {
        node: name.clone(),
        generation,
        which,
        attempt,
    });
    Ok(Reply::Done)
}

/// Only a node's own host reports and begins for it.
pub fn speaks_for(context: &Context<'_>, node: &Node) -> Result<(), Refusal> {
    if *context.actor
        == (Principal::Member {
            member: node.member,
        })
    {
        Ok(())
    } else {
        Err(Refusal::ForeignReport {
            node: node.name.clone(),
        })
    }
}

/// What replicated state says about a begin, apart from its take's term and age.
pub fn may_begin(state: &State, node: &Node, begin: &Begin) -> Result<(), Refusal> {
    let name = || node.name.clone();
    let stale = || Refusal::StaleGeneration {
        node: name(),
        newest: node.generation.to_string(),
    };
    let intent = node
        .intent
        .as_ref()
        .filter(|_| begin.generation == node.generation)
        .ok_or_else(stale)?;
    if !intent.goal.disrupts() {
        return Err(stale());
    }
    if node.answered.is_some() {
        return Err(Refusal::BeginAnswered { node: name() });
    }
    if begin.which == Which::Second && node.begun(Which::First).is_none() {
        return Err(Refusal::BeginOutOfOrder { node: name() });
    }
    if node
        .begun(begin.which)
        .is_some_and(|had| had.attempt >= begin.attempt)
    {
        return Err(Refusal::BeginRepeated { node: name() });
    }
    let plan = state.plan(intent.plan)?;
    let fits = |status: &Status| match intent.goal {
        Goal::Update { .. } => matches!(status, Status::Updating { .. }),
        _ if plan.is_way_back() => matches!(status, Status::Updating { .. }),
        _ => matches!(status, Status::RollingBack { .. }),
    };
    let may = match intent.goal {
        Goal::Update { .. } => plan.goes_forward(),
        _ => plan.is_way_back() || plan.takes_back(&node.name),
    };
    if !may && !Bug::AnyPlanBegins.is_planted() {
        return Err(Refusal::PlanNotInProgress { plan: plan.id });
    }
    // A node that was skipped or has failed is no longer the plan's to disrupt.
    match plan.nodes.get(&node.name) {
        Some(progress) if !fits(&progress.status) && !Bug::SkippedBegins.is_planted() => {
            Err(wrong_node(&node.name, &progress.status, "begin"))
        }
        _ => Ok(()),
    }
}

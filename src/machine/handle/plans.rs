//! Creating and executing a plan: everything that can be refused up front is refused here, twice.

use std::collections::BTreeSet;

use crate::base::ids::{NodeName, PlanId};
use crate::base::limits::{PENDING_EXPIRY, PENDING_PLANS_MAX, URL_LENGTH_MAX};
use crate::base::numbers::majority;
use crate::fleet::intent::{Goal, Intent};
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::handle::edges::move_plan;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Part, Reply, State};
use crate::plans::gates::{Gate, Red};
use crate::plans::origins::Origins;
use crate::plans::plan::{Plan, Status};
use crate::plans::progress::Progress;
use crate::plans::spec::{Kind, Release, Spec};
use crate::plans::strategy::Strategy;

pub fn create(state: &mut State, context: &mut Context<'_>, spec: &Spec) -> Result<Reply, Refusal> {
    let Spec {
        release,
        nodes,
        strategy,
    } = spec;
    check_request(state, release, nodes.as_ref(), strategy)?;
    let now_wall_ms = state.head.clock.wall_ms;
    let waits = |plan: &&Plan| plan.status == Status::Pending && !has_expired(plan, now_wall_ms);
    if state.plans.values().filter(waits).count() >= PENDING_PLANS_MAX {
        return Err(Refusal::TooManyPending {
            limit: PENDING_PLANS_MAX,
        });
    }
    expire_pending(state, context);
    let id = add(
        state,
        context,
        Kind::Update,
        Some(release.clone()),
        nodes.clone(),
        strategy.clone(),
    );
    Ok(Reply::Plan { id, revision: 1 })
}

/// Adds a Pending plan.
pub fn add(
    state: &mut State,
    context: &mut Context<'_>,
    kind: Kind,
    release: Option<Release>,
    asked_nodes: Option<BTreeSet<NodeName>>,
    strategy: Strategy,
) -> PlanId {
    state.head.next_plan += 1;
    let id = PlanId(state.head.next_plan);
    let plan = Plan {
        id,
        kind,
        release,
        takes_back: None,
        asked_nodes,
        strategy,
        revision: 1,
        creator: context.actor.to_string(),
        created_wall_ms: state.head.clock.wall_ms,
        executed_wall_ms: None,
        ended_wall_ms: None,
        status: Status::Pending,
        cancelling: false,
        turn: None,
        notice_until_run_ms: None,
        progressed_run_ms: state.run_ms(),
        nodes: Default::default(),
        detail: None,
    };
    state.plans.insert(id, plan);
    state.touched.insert(Part::Plan(id));
    context.facts.push(Fact::PlanCreated { plan: id });
    id
}

pub fn execute(
    state: &mut State,
    context: &mut Context<'_>,
    id: PlanId,
    revision: Option<u64>,
) -> Result<Reply, Refusal> {
    let plan = state.plan(id)?.clone();
    if plan.executed_wall_ms.is_some() && plan.status.is_live() {
        return Ok(Reply::Unchanged);
    }
    if plan.status != Status::Pending {
        return Err(Refusal::WrongStatus {
            plan: id,
            status: plan.status.name().to_owned(),
            event: "execute".to_owned(),
        });
    }
    if has_expired(&plan, state.head.clock.wall_ms) {
        return Err(Refusal::WrongStatus {
            plan: id,
            status: "Pending, and expired".to_owned(),
            event: "execute".to_owned(),
        });
    }
    if let Some(given) = revision.filter(|given| *given != plan.revision) {
        return Err(Refusal::RevisionMismatch {
            plan: id,
            current: plan.revision,
            given,
        });
    }
    no_live_plan(state)?;
    let Some(release) = &plan.release else {
        return Err(Refusal::Internal {
            detail: format!("pending plan {id} has no release"),
        });
    };
    check_request(state, release, plan.asked_nodes.as_ref(), &plan.strategy)?;
    ready_to_start(state)?;
    let names = plan
        .asked_nodes
        .clone()
        .unwrap_or_else(|| state.nodes.keys().cloned().collect());
    expire_pending(state, context);
    start(state, context, id, &names)?;
    Ok(Reply::Plan {
        id,
        revision: plan.revision,
    })
}

/// Makes the plan live and gives each node its stage intent.
pub fn start(
    state: &mut State,
    context: &mut Context<'_>,
    id: PlanId,
    names: &BTreeSet<NodeName>,
) -> Result<(), Refusal> {
    let (run_ms, wall_ms) = (state.run_ms(), state.head.clock.wall_ms);
    move_plan(state, context, id, |plan| {
        plan.execute()?;
        plan.executed_wall_ms = Some(wall_ms);
        Ok(())
    })?;
    for name in names {
        let plan = state.plan_mut(id)?;
        plan.nodes
            .entry(name.clone())
            .or_insert_with(|| Progress::new(run_ms));
        stage(state, id, name)?;
    }
    Ok(())
}

/// Gives a node a new generation that stages the plan's binary.
pub fn stage(state: &mut State, id: PlanId, name: &NodeName) -> Result<(), Refusal> {
    let plan = state.plan(id)?;
    let Some(target) = plan.target_of(name) else {
        return Err(Refusal::Internal {
            detail: format!("plan {id} has no target for {name}"),
        });
    };
    let url = plan.release.as_ref().map(|release| release.url.clone());
    let goal = Goal::Stage {
        target,
        url,
        allow_drift: plan.strategy.allow_drift,
    };
    let deadlines = plan.strategy.deadlines.clone();
    let node = state.node_mut(name)?;
    node.generation = node.generation.next();
    node.intent = Some(Intent {
        generation: node.generation,
        plan: id,
        goal,
        deadlines,
        taken: None,
    });
    node.answered = None;
    node.open.clear();
    Ok(())
}

pub fn no_live_plan(state: &State) -> Result<(), Refusal> {
    state
        .live_plan()
        .map_or(Ok(()), |live| Err(Refusal::PlanLive { plan: live.id }))
}

/// What replicated state says against starting any plan now, all of it.
pub fn ready_to_start(state: &State) -> Result<(), Refusal> {
    let mut red = Vec::new();
    if state.head.membership.is_changing() {
        red.push(Red::new(
            Gate::Membership,
            "a membership change is in progress",
        ));
    }
    for node in state.nodes.values().filter(|node| node.slot.is_some()) {
        red.push(Red::new(
            Gate::Slot,
            format!("node {} holds a slot since an earlier plan", node.name),
        ));
    }
    if red.is_empty() {
        Ok(())
    } else {
        Err(Refusal::NotReady { red })
    }
}

fn check_request(
    state: &State,
    release: &Release,
    nodes: Option<&BTreeSet<NodeName>>,
    strategy: &Strategy,
) -> Result<(), Refusal> {
    check_url(state, &release.url)?;
    if nodes.is_some_and(BTreeSet::is_empty) {
        return Err(Refusal::EmptyNodes);
    }
    let all: BTreeSet<NodeName> = state.nodes.keys().cloned().collect();
    for name in nodes.unwrap_or(&all) {
        let node = state.node(name)?;
        let running = node
            .database
            .version
            .as_deref()
            .and_then(|text| semver::Version::parse(text).ok());
        if let Some(running) =
            running.filter(|running| *running > release.version && !strategy.allow_downgrade)
        {
            return Err(Refusal::Downgrade {
                node: name.clone(),
                running: running.to_string(),
                asked: release.version.to_string(),
            });
        }
        if let (Some(runs), Some(lies)) = (node.database.digest, node.database.installed)
            && runs != lies
            && !strategy.allow_drift
        {
            let detail = format!("{} runs, {} is installed", runs.short(), lies.short());
            return Err(Refusal::Drift {
                node: name.clone(),
                detail,
            });
        }
    }
    check_budget(state, strategy)
}

fn check_url(state: &State, url: &str) -> Result<(), Refusal> {
    let allowed = state
        .head
        .cluster
        .as_ref()
        .map(|cluster| cluster.settings.url_allow.clone())
        .unwrap_or_default();
    let why = if url.len() > URL_LENGTH_MAX {
        "it is too long"
    } else {
        match Origins::parse(&allowed).and_then(|origins| origins.check(url)) {
            Ok(_) => return Ok(()),
            Err(not_allowed) => not_allowed.why,
        }
    };
    Err(Refusal::UrlNotAllowed {
        url: url.chars().take(200).collect(),
        why: why.to_owned(),
        allowed,
    })
}

/// The budgets that the plan asks for, against the cluster as it is configured.
pub fn check_budget(state: &State, strategy: &Strategy) -> Result<(), Refusal> {
    let (nodes, down) = (state.nodes.len(), strategy.max_unavailable as usize);
    if down == 0 {
        return Err(Refusal::QuorumUnsafe {
            detail: "max_unavailable is 0, so no node could ever be taken".to_owned(),
        });
    }
    let floor = strategy.min_available_of(nodes);
    if nodes.saturating_sub(1) < floor {
        return Err(Refusal::QuorumUnsafe {
            detail: format!("min_available is {floor} of {nodes} nodes"),
        });
    }
    if (nodes < 2 || floor == 0) && !strategy.allow_downtime {
        return Err(Refusal::NoSecondNode);
    }
    let voters = state.head.membership.voters.len();
    if voters >= 3 && voters.saturating_sub(down) < majority(voters) {
        let detail = format!("with {down} of {voters} voters' hosts down there is no majority");
        return Err(Refusal::QuorumUnsafe { detail });
    }
    Ok(())
}

const fn has_expired(plan: &Plan, now_wall_ms: u64) -> bool {
    plan.created_wall_ms < now_wall_ms.saturating_sub(PENDING_EXPIRY.0)
}

/// Only where the command is accepted: a refusal changes nothing.
fn expire_pending(state: &mut State, context: &mut Context<'_>) {
    let now_wall_ms = state.head.clock.wall_ms;
    let old = state
        .plans
        .values()
        .filter(|plan| plan.status == Status::Pending && has_expired(plan, now_wall_ms));
    let old: Vec<PlanId> = old.map(|plan| plan.id).collect();
    for id in old {
        // A Pending plan can always be cancelled, so this edge exists.
        let _ = move_plan(state, context, id, |plan| {
            plan.detail = Some("expired before it was executed".to_owned());
            plan.cancelled()
        });
    }
}

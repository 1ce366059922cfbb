//! `apply`: the clock, the term, the request key, then dispatch. What a command does is in `handle`.

use super::command::Command;
use super::handle;
use super::refusal::Refusal;
use super::settle::settle;
use super::since::since;
use super::state::{Part, Reply, Request, State, Term};
use super::submission::{Position, RequestKey, Submission};
use crate::access::principal::Principal;
use crate::base::ids::MemberId;
use crate::base::limits::{REASON_LENGTH_MAX, REQUEST_KEY_TTL, REQUEST_KEYS_MAX, RUN_STEP_MAX};
use crate::base::sabotage::Bug;
use crate::journal::fact::Fact;
use crate::journal::record::Record;
use crate::plans::progress::WrongEdge;

/// What applying one entry gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub result: Result<Reply, Refusal>,
    pub facts: Vec<Record>,
}

/// What a handler works with besides the state.
pub struct Context<'a> {
    pub position: Position,
    pub actor: &'a Principal,
    pub reason: Option<&'a str>,
    pub facts: Vec<Fact>,
}

/// Applies one submission: a reply or a refusal, and the facts it recorded. A refusal changes nothing
/// but the clock, and what the silence before the entry tells.
pub fn apply(state: &mut State, position: Position, submission: &Submission) -> Outcome {
    let Submission {
        elapsed_ms,
        run_ms,
        wall_ms,
        actor,
        reason,
        request,
        command,
    } = submission;
    // As the entry before left it: from there on a tick was due each second.
    let awaited = state.waits_for_run();
    state.head.clock.run_ms += match state.head.clock.wall_ms {
        before_ms if Bug::WallClockDeadlines.is_planted() && before_ms > 0 => {
            wall_ms.saturating_sub(before_ms)
        }
        _ => (*elapsed_ms)
            .min(run_ms.unwrap_or(RUN_STEP_MAX.0))
            .min(RUN_STEP_MAX.0),
    };
    state.head.clock.wall_ms = state.head.clock.wall_ms.max(*wall_ms);
    enter_term(state, position);
    let mut context = Context {
        position,
        actor,
        reason: reason.as_deref(),
        facts: Vec::new(),
    };
    if let Some(request) = request {
        forget_old_requests(state);
        if let Some(result) = remembered(state, actor, request)
            && !Bug::KeysForgotten.is_planted()
        {
            let facts = Vec::new();
            return Outcome { result, facts };
        }
    }
    let silence = match awaited && state.head.term.opened {
        true => handle::term::judge_silence(state, &mut context, *elapsed_ms),
        false => Ok(()),
    };
    let result = silence
        .and_then(|()| admit(state, reason.as_deref(), command))
        .and_then(|()| dispatch(state, &mut context, command));
    #[cfg(feature = "next-version")]
    if result.is_ok() {
        handle::next::beat(state, &mut context, command);
    }
    match &result {
        Ok(_) => settle(state, &mut context),
        Err(Refusal::Internal { detail }) => alarm(state, &mut context, detail),
        Err(_) => {}
    }
    if let (Ok(_), Some(request)) = (&result, request) {
        let key = (actor.clone(), request.key.clone());
        let kept = Request {
            key: request.clone(),
            wall_ms: state.head.clock.wall_ms,
            result: result.clone(),
        };
        state
            .touched
            .insert(Part::Request(key.0.clone(), key.1.clone()));
        state.requests.insert(key, kept);
    }
    let facts = record(state, context);
    Outcome { result, facts }
}

/// What became of the same write before; `None` when it is new and there is room to remember it.
fn remembered(
    state: &State,
    actor: &Principal,
    request: &RequestKey,
) -> Option<Result<Reply, Refusal>> {
    if let Some(known) = state.requests.get(&(actor.clone(), request.key.clone())) {
        let reused = || Refusal::KeyReused {
            key: request.key.clone(),
        };
        let same = known.key.body == request.body;
        return Some(if same {
            known.result.clone()
        } else {
            Err(reused())
        });
    }
    let full = Refusal::RequestTableFull {
        limit: REQUEST_KEYS_MAX,
    };
    (state.requests.len() >= REQUEST_KEYS_MAX).then_some(Err(full))
}

/// The empty entry with which consensus opens a term.
pub fn apply_first_of_term(state: &mut State, position: Position) {
    enter_term(state, position);
    state.head.applied = position.index;
}

/// A new configuration of the group.
pub fn apply_membership(
    state: &mut State,
    position: Position,
    voters: &[MemberId],
    members: &[MemberId],
    joint: bool,
) -> Vec<Record> {
    enter_term(state, position);
    let actor = Principal::Member {
        member: position.leader,
    };
    let mut context = Context {
        position,
        actor: &actor,
        reason: None,
        facts: Vec::new(),
    };
    let membership = &mut state.head.membership;
    membership.voters = voters.iter().copied().collect();
    membership.members = members.iter().copied().collect();
    membership.joint = joint;
    if !joint {
        context.facts.push(Fact::MembershipChanged {
            voters: voters.to_vec(),
            members: members.to_vec(),
        });
    }
    record(state, context)
}

fn enter_term(state: &mut State, position: Position) {
    state.head.applied = position.index;
    if position.term > state.head.term.number {
        state.head.term = Term {
            number: position.term,
            leader: Some(position.leader),
            ..Term::default()
        };
    }
}

fn admit(state: &State, reason: Option<&str>, command: &Command) -> Result<(), Refusal> {
    if reason.is_some_and(|reason| reason.chars().count() > REASON_LENGTH_MAX) {
        return Err(Refusal::ReasonTooLong {
            limit: REASON_LENGTH_MAX,
        });
    }
    if matches!(command, Command::OpenTerm { .. }) {
        return Ok(());
    }
    if !state.head.term.opened {
        return Err(Refusal::TermNotOpen);
    }
    if state.head.cluster.is_none() && !matches!(command, Command::Form(_)) {
        return Err(Refusal::NotFormed);
    }
    let (asked, current) = (since(command), state.head.version);
    if asked > current {
        return Err(Refusal::ClusterVersion { asked, current });
    }
    Ok(())
}

fn dispatch(
    state: &mut State,
    context: &mut Context<'_>,
    command: &Command,
) -> Result<Reply, Refusal> {
    match command {
        Command::CreatePlan(spec) => handle::plans::create(state, context, spec),
        Command::Execute { plan, revision } => {
            handle::plans::execute(state, context, *plan, *revision)
        }
        Command::Pause { plan } => handle::steering::pause(state, context, *plan),
        Command::Resume { plan, direction } => {
            handle::steering::resume(state, context, *plan, *direction)
        }
        Command::Cancel { plan } => handle::steering::cancel(state, context, *plan),
        Command::Rollback { plan, nodes } => {
            handle::rollback::rollback(state, context, *plan, nodes.as_ref())
        }
        Command::RetryNode { plan, node } => {
            handle::steering::retry_node(state, context, *plan, node)
        }
        Command::SkipNode { plan, node } => {
            handle::steering::skip_node(state, context, *plan, node)
        }
        Command::ReleaseSlot {
            node,
            host_is_off,
            heard,
        } => handle::slots::release(state, context, node, *host_is_off, *heard),
        Command::ClearDrift { node } => handle::slots::clear_drift(state, context, node),
        Command::CreateToken {
            id,
            hash,
            grants,
            ttl_ms,
        } => handle::tokens::create(state, context, id, *hash, *grants, *ttl_ms),
        Command::RevokeToken { id } => handle::tokens::revoke(state, context, id),
        Command::OpenMembership { change } => handle::membership::open(state, context, change),
        Command::CloseMembership { done } => handle::membership::close(state, context, *done),
        Command::Finalize(raise) => handle::version::finalize(state, context, raise),
        #[cfg(feature = "next-version")]
        Command::Annotate(note) => handle::next::annotate(state, context, note),
        Command::Form(founder) => handle::membership::form(state, context, founder),
        Command::Join(joiner) => handle::membership::join(state, context, joiner),
        Command::Observe(observation) => handle::observe::observe(state, context, observation),
        Command::Begin { node, begin } => handle::begin::begin(state, context, node, begin),
        Command::OpenTerm { idle_ms } => handle::term::open(state, context, *idle_ms),
        Command::Tick { previous_ms, .. } => handle::term::tick(state, context, *previous_ms),
        Command::Take(take) => handle::take::take(state, context, take),
        Command::StandDown { node, after } => {
            handle::take::stand_down(state, context, node, *after)
        }
        Command::HandoffFailed { target, reason } => {
            handle::term::handoff_failed(state, context, *target, reason)
        }
        Command::FailNode(failed) => handle::failure::fail_node(state, context, failed),
        Command::GiveUpNode { plan, node, after } => {
            handle::failure::give_up(state, context, *plan, node, *after)
        }
        Command::LoseQuorum { plan, lost } => {
            handle::failure::lose_quorum(state, context, *plan, lost)
        }
    }
}

fn forget_old_requests(state: &mut State) {
    let horizon = state.head.clock.wall_ms.saturating_sub(REQUEST_KEY_TTL.0);
    let old: Vec<_> = state
        .requests
        .iter()
        .filter(|(_, kept)| kept.wall_ms < horizon)
        .map(|(key, _)| key.clone())
        .collect();
    for key in old {
        state.requests.remove(&key);
        state.touched.insert(Part::Request(key.0, key.1));
    }
}

/// An impossible state stops plans, never members.
fn alarm(state: &mut State, context: &mut Context<'_>, detail: &str) {
    context.facts.clear();
    context.facts.push(Fact::Alarm {
        detail: detail.to_owned(),
    });
    let live = state.live_plan().map(|plan| plan.id);
    if let Some(plan) = live.and_then(|id| state.plan_mut(id).ok()) {
        let from = plan.status.name().to_owned();
        if plan.pause(false).is_ok() {
            plan.detail = Some(format!("paused by an alarm: {detail}"));
            let to = plan.status.name().to_owned();
            context.facts.push(Fact::PlanStatus {
                plan: plan.id,
                from,
                to,
                detail: plan.detail.clone(),
            });
        }
    }
}

fn record(state: &mut State, context: Context<'_>) -> Vec<Record> {
    let mut records = Vec::with_capacity(context.facts.len());
    for (ordinal, fact) in (0u32..).zip(context.facts) {
        let mut record = Record {
            index: context.position.index,
            ordinal,
            term: context.position.term,
            run_ms: state.head.clock.run_ms,
            wall_ms: state.head.clock.wall_ms,
            actor: context.actor.to_string(),
            reason: context.reason.map(str::to_owned),
            fact,
            chain: state.head.journal.chain,
        };
        record.chain = record.link(&state.head.journal.chain);
        state.head.journal.chain = record.chain;
        state.head.journal.count += 1;
        state.head.journal.last_index = record.index;
        records.push(record);
    }
    records
}

impl From<WrongEdge> for Refusal {
    /// A handler that reaches an impossible edge has judged wrongly before.
    fn from(edge: WrongEdge) -> Self {
        Self::Internal {
            detail: format!("node is {}, event {}", edge.from, edge.event),
        }
    }
}

//! The observer: applies every committed entry to a state of its own the instant it is committed, and asks the
//! invariants after each. Sees what no member can; changes nothing.

use std::collections::BTreeMap;

use aegis_updates::access::principal::Principal;
use aegis_updates::agent::machine::Input;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{Generation, MemberId, NodeName, PlanId};
use aegis_updates::journal::fact::Fact;
use aegis_updates::journal::record::Record;
use aegis_updates::machine::apply::{Outcome, apply, apply_first_of_term, apply_membership};
use aegis_updates::machine::check::check;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::machine::submission::Position;

use aegis_updates::plans::progress;

use crate::coverage::Coverage;
use crate::invariants;
use crate::trace::Trace;
use crate::world::log::{Entry, Payload};
use crate::world::truth::Truth;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    pub detail: String,
}

/// One applied entry, as the invariants judge it.
pub struct Step<'a> {
    pub now_ms: u64,
    pub position: Position,
    pub appended_ms: u64,
    pub command: &'a Command,
    /// The state before, for takes and begins.
    pub before: Option<&'a State>,
    pub after: &'a State,
    pub result: &'a Result<Reply, Refusal>,
    pub facts: &'a [Record],
    pub times: &'a Times,
}

/// When, in real time, things of the log last moved.
#[derive(Debug, Default)]
pub struct Times {
    /// When a plan's `progressed_run_ms` last changed, and to what.
    pub progressed: BTreeMap<PlanId, (u64, u64)>,
    /// When a node's `since_run_ms` last changed, and to what.
    pub since: BTreeMap<(PlanId, NodeName), (u64, u64)>,
    /// What a node had said that it goes back to when its first begin of a plan was accepted.
    pub went_from: BTreeMap<(PlanId, NodeName), Digest>,
    /// When the newest entry that does not open a term was appended.
    pub appended_ms: u64,
    /// The longest that a tick took lately, from append until its leader knew it committed, and when that was.
    pub tick: (u64, u64),
    /// The longest time that voters had no quorum, of those that ended lately.
    pub gap_ms: u64,
    /// When the newest entry was committed, and the longest time without one lately, while a plan was live.
    pub committed_ms: u64,
    pub silence: (u64, u64),
    /// The furthest that the wall clocks of a majority had come when a leader appended.
    pub wall_bound_ms: u64,
}

/// A loss is judged by the next entries, a few ticks later at most.
const LATELY_MS: u64 = 10_000;

impl Times {
    pub const fn tick_ms(&self) -> u64 {
        self.tick.0
    }

    pub fn tick_took(&mut self, took_ms: u64, now_ms: u64) {
        let (longest_ms, end_ms) = self.tick;
        if now_ms - end_ms > LATELY_MS || took_ms > longest_ms {
            self.tick = (took_ms, now_ms);
        }
    }

    fn commits(&mut self, now_ms: u64, plan_was_live: bool) {
        let silent_ms = now_ms - self.committed_ms;
        let (longest_ms, end_ms) = self.silence;
        let over = now_ms - end_ms > LATELY_MS;
        if plan_was_live && (over || silent_ms > longest_ms) {
            self.silence = (silent_ms, now_ms);
        }
        self.committed_ms = now_ms;
    }
}

pub struct Oracle {
    pub state: State,
    pub times: Times,
    digests: BTreeMap<usize, Digest>,
    generations: BTreeMap<NodeName, Generation>,
    violation: Option<Violation>,
    removed: Vec<MemberId>,
    written_off: Option<MemberId>,
    plan_ended: Option<PlanId>,
}

impl Oracle {
    pub fn new() -> Self {
        Self {
            state: State::default(),
            times: Times::default(),
            digests: BTreeMap::new(),
            generations: BTreeMap::new(),
            violation: None,
            removed: Vec::new(),
            written_off: None,
            plan_ended: None,
        }
    }

    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub fn is_broken(&self) -> bool {
        self.violation.is_some()
    }

    /// The first violation counts; what follows from it is noise.
    pub fn broken(&mut self, invariant: &'static str, detail: String) {
        self.violation
            .get_or_insert(Violation { invariant, detail });
    }

    /// Applies one entry; a refusal that its sender should hear comes back.
    pub fn sees(
        &mut self,
        now_ms: u64,
        position: Position,
        entry: &Entry,
        coverage: &mut Coverage,
        trace: &mut Trace,
    ) -> Option<(MemberId, Input)> {
        let submission = match &entry.payload {
            Payload::Blank => {
                apply_first_of_term(&mut self.state, position);
                return None;
            }
            Payload::Membership {
                voters,
                members,
                joint,
            } => {
                apply_membership(&mut self.state, position, voters, members, *joint);
                return None;
            }
            Payload::Submission(submission) => submission,
        };
        let command = &submission.command;
        let keeps = matches!(
            command,
            Command::Take(_)
                | Command::Begin { .. }
                | Command::StandDown { .. }
                | Command::CloseMembership { .. }
        );
        let before = keeps.then(|| self.state.clone());
        self.times.commits(now_ms, self.state.live_plan().is_some());
        let Outcome { result, facts } = apply(&mut self.state, position, submission);
        self.state.touched.clear();
        note(&mut self.times, &self.state, now_ms);
        count(coverage, command, &result, &facts);
        say(trace, now_ms, position, command, &result, &facts);
        let step = Step {
            now_ms,
            position,
            appended_ms: entry.appended_ms,
            command,
            before: before.as_ref(),
            after: &self.state,
            result: &result,
            facts: &facts,
            times: &self.times,
        };
        let broken = invariants::judge(&step).or_else(|| of_the_machine(&self.state, &result));
        if !matches!(command, Command::OpenTerm { .. }) {
            self.times.appended_ms = entry.appended_ms;
        }
        if matches!(command, Command::Tick { .. }) {
            self.times.tick_took(now_ms - entry.appended_ms, now_ms);
        }
        if let Some((invariant, detail)) = broken {
            let told = format!("entry {} {}: {detail}", position.index, word(command));
            self.broken(invariant, told);
        }
        self.generations_grow();
        self.note_ends(&facts, before.as_ref());
        refused(submission_actor(&submission.actor), command, &result)
    }

    fn generations_grow(&mut self) {
        let mut fallen = None;
        for (name, node) in &self.state.nodes {
            let known = self.generations.entry(name.clone()).or_default();
            if node.generation < *known {
                fallen = Some(format!("{name} fell from {known} to {}", node.generation));
            }
            *known = node.generation;
        }
        if let Some(detail) = fallen {
            self.broken("I8", detail);
        }
    }

    fn note_ends(&mut self, facts: &[Record], before: Option<&State>) {
        for record in facts {
            match &record.fact {
                Fact::NodeRemoved { node } => {
                    let gone = before
                        .and_then(|state| state.nodes.get(node))
                        .map(|node| node.member);
                    self.removed.extend(gone);
                }
                Fact::SlotFreed { node, how } if how.contains("operator") => {
                    self.written_off = self.state.nodes.get(node).map(|node| node.member);
                }
                Fact::PlanStatus { plan, to, .. }
                    if ["Completed", "Failed", "RolledBack", "Cancelled"]
                        .contains(&to.as_str()) =>
                {
                    self.plan_ended = Some(*plan);
                }
                _ => {}
            }
        }
    }

    pub fn removed_members(&mut self) -> Vec<MemberId> {
        std::mem::take(&mut self.removed)
    }

    pub fn take_written_off(&mut self) -> Option<MemberId> {
        self.written_off.take()
    }

    pub fn plan_ended(&mut self) -> Option<PlanId> {
        std::mem::take(&mut self.plan_ended)
    }

    /// I14: a member's digest at an index, against every other's.
    pub fn compare(&mut self, member: MemberId, index: usize, digest: Result<Digest, String>) {
        match digest {
            Err(error) => self.broken("I14", format!("member {member} at {index}: {error}")),
            Ok(digest) => {
                let known = *self.digests.entry(index).or_insert(digest);
                if let Err(detail) = invariants::i14::judge(member, index, known, digest) {
                    self.broken("I14", detail);
                }
            }
        }
    }

    pub fn down_by_plan(&mut self, truth: &Truth, allowed: usize) {
        if let Err(detail) = invariants::i02::judge(truth, allowed) {
            self.broken("I2", detail);
        }
    }

    /// I22: a begin was appended by a leader whose quorum last answered this long ago.
    pub fn begin_appended(&mut self, quorum_age_ms: u64) {
        if let Err(detail) = invariants::i22::quorum_behind(quorum_age_ms) {
            self.broken("I22", detail);
        }
    }

    pub fn take_wrongs(&mut self, truth: &mut Truth) {
        for (invariant, detail) in truth.wrong.drain(..) {
            self.broken(invariant, detail);
        }
    }
}

/// What the machine says of itself: its own check, and edges that it thinks impossible.
fn of_the_machine(
    state: &State,
    result: &Result<Reply, Refusal>,
) -> Option<(&'static str, String)> {
    if let Err(Refusal::Internal { detail }) = result {
        return Some(("internal", detail.clone()));
    }
    let first = check(state).into_iter().next()?;
    Some(("check", first.to_string()))
}

fn note(times: &mut Times, state: &State, now_ms: u64) {
    for plan in state.plans.values().filter(|plan| !plan.status.is_final()) {
        let progressed = times
            .progressed
            .entry(plan.id)
            .or_insert((now_ms, plan.progressed_run_ms));
        if progressed.1 != plan.progressed_run_ms {
            *progressed = (now_ms, plan.progressed_run_ms);
        }
        for (name, node) in &plan.nodes {
            let since = times
                .since
                .entry((plan.id, name.clone()))
                .or_insert((now_ms, node.since_run_ms));
            if since.1 != node.since_run_ms {
                *since = (now_ms, node.since_run_ms);
            }
            if let Some(target) = node.rollback_target.as_ref().filter(|_| node.begun) {
                let went_from = &mut times.went_from;
                let key = (plan.id, name.clone());
                went_from.entry(key).or_insert(target.digest);
            }
        }
    }
}

fn submission_actor(actor: &Principal) -> Option<MemberId> {
    match actor {
        Principal::Member { member } => Some(*member),
        _ => None,
    }
}

fn refused(
    actor: Option<MemberId>,
    command: &Command,
    result: &Result<Reply, Refusal>,
) -> Option<(MemberId, Input)> {
    let refusal = result.as_ref().err()?;
    let input = match command {
        // As the member's own link: a report before the term's first word is sent again.
        Command::Observe(_) if *refusal == Refusal::TermNotOpen => return None,
        Command::Observe(observation) => Input::ReportRefused {
            sequence: observation.sequence,
        },
        Command::Begin { begin, .. } => Input::BeginRefused {
            begin: begin.clone(),
            reason: refusal.code().to_owned(),
        },
        _ => return None,
    };
    Some((actor?, input))
}

fn count(
    coverage: &mut Coverage,
    command: &Command,
    result: &Result<Reply, Refusal>,
    facts: &[Record],
) {
    *coverage
        .commands
        .entry(word(command).to_owned())
        .or_default() += 1;
    if let Err(refusal) = result {
        *coverage
            .refusals
            .entry(refusal.code().to_owned())
            .or_default() += 1;
    }
    for record in facts {
        let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        match &record.fact {
            Fact::PlanStatus { from, to, .. } => {
                *coverage.plan_edges.entry(edge(from, to)).or_default() += 1
            }
            Fact::NodeStatus { from, to, .. } => {
                let (from, to) = (kind(from), kind(to));
                if from != to {
                    *coverage.node_edges.entry(edge(from, to)).or_default() += 1;
                }
            }
            Fact::Answered { answer, .. } => {
                *coverage.answers.entry(answer.clone()).or_default() += 1
            }
            _ => {}
        }
    }
}

/// A node between its take and the end of its soak has one status in the machine's table.
fn kind(name: &str) -> &str {
    let in_hand = name == "Taken" || progress::Step::TAKEN.iter().any(|step| step.name() == name);
    if in_hand { "Updating" } else { name }
}

fn say(
    trace: &mut Trace,
    now_ms: u64,
    position: Position,
    command: &Command,
    result: &Result<Reply, Refusal>,
    facts: &[Record],
) {
    if matches!(command, Command::Tick { .. }) && facts.is_empty() {
        return;
    }
    let Position {
        index,
        term,
        leader,
    } = position;
    match result {
        Ok(_) => trace.say(
            now_ms,
            format_args!("{index}@{term}/{leader} {}", word(command)),
        ),
        Err(refusal) => trace.say(
            now_ms,
            format_args!(
                "{index}@{term}/{leader} {} REFUSED {refusal:?}",
                word(command)
            ),
        ),
    }
    for record in facts {
        match &record.fact {
            Fact::Taken {
                plan,
                node,
                generation,
                goal,
                first,
                ..
            } => trace.say(
                now_ms,
                format_args!("    taken {node} {goal} {generation} of {plan} first={first}"),
            ),
            other => trace.say(now_ms, format_args!("    {other:?}")),
        }
    }
}

/// The command's variant, without its content.
pub fn word(command: &Command) -> &'static str {
    match command {
        Command::CreatePlan(_) => "create_plan",
        Command::Execute { .. } => "execute",
        Command::Pause { .. } => "pause",
        Command::Resume { .. } => "resume",
        Command::Cancel { .. } => "cancel",
        Command::Rollback { .. } => "rollback",
        Command::RetryNode { .. } => "retry_node",
        Command::SkipNode { .. } => "skip_node",
        Command::ReleaseSlot { .. } => "release_slot",
        Command::ClearDrift { .. } => "clear_drift",
        Command::CreateToken { .. } => "create_token",
        Command::RevokeToken { .. } => "revoke_token",
        Command::OpenMembership { .. } => "open_membership",
        Command::CloseMembership { .. } => "close_membership",
        Command::Finalize(_) => "finalize",
        Command::Form(_) => "form",
        Command::Join(_) => "join",
        Command::Observe(_) => "observe",
        Command::Begin { .. } => "begin",
        Command::OpenTerm { .. } => "open_term",
        Command::Tick { .. } => "tick",
        Command::Take(_) => "take",
        Command::StandDown { .. } => "stand_down",
        Command::HandoffFailed { .. } => "handoff_failed",
        Command::FailNode { .. } => "fail_node",
        Command::GiveUpNode { .. } => "give_up_node",
        Command::LoseQuorum { .. } => "lose_quorum",
    }
}

//! What the members do with the model log: elect, commit, deliver, apply. Decides nothing.

use aegis_updates::access::principal::Principal;
use aegis_updates::base::ids::MemberId;
use aegis_updates::base::limits::TICK_INTERVAL;
use aegis_updates::control::clock::run_ms;
use aegis_updates::machine::apply::{apply, apply_first_of_term, apply_membership};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::image;
use aegis_updates::machine::submission::Submission;

use super::World;
use super::log::{Entry, Payload, Ticket};
use super::member::Lead;

/// Every member compares its state's digest with the others' at each of these indexes.
const COMPARED_EVERY: usize = 32;

impl World {
    /// One beat of consensus: acknowledge, commit, deliver, or elect.
    pub fn raft(&mut self) {
        self.step_down();
        // A leader that restarted has forgotten that it led, and is elected again or not at all.
        let leader = self
            .log
            .leader
            .filter(|leader| self.is_awake(*leader) && self.leads(*leader));
        let reached = leader
            .map(|leader| self.reached_by(leader))
            .unwrap_or_default();
        match leader.filter(|_| self.log.has_quorum(&reached)) {
            Some(leader) => {
                self.log.acknowledged_ms = self.now;
                self.oracle.times.gap_ms = self.truth.quorum(self.now);
                let now = self.now;
                if let Some(lead) = &mut self.member_mut(leader).lead {
                    lead.acknowledged_ms = now;
                    lead.answered
                        .extend(reached.iter().map(|member| (*member, now)));
                }
                for member in &reached {
                    self.member_mut(*member).agent.contact_ms = now;
                }
                self.commit(leader, &reached);
            }
            None if self.now - self.log.acknowledged_ms > self.setting.election_ms => {
                self.elect_somebody()
            }
            None => {}
        }
    }

    /// Voters and learners that exchange messages with this member both ways, itself included.
    pub fn reached_by(&self, from: MemberId) -> Vec<MemberId> {
        let linked = |to: MemberId| {
            to == from || (self.links.passes(from, to) && self.links.passes(to, from))
        };
        let awake = |member: &&super::member::Member| {
            member.is_awake() && self.log.members.contains(&member.id)
        };
        self.members
            .iter()
            .filter(awake)
            .map(|member| member.id)
            .filter(|to| linked(*to))
            .collect()
    }

    /// A leader of an old term learns of the newer one from whoever it reaches that knows it.
    fn step_down(&mut self) {
        let (term, leader) = (self.log.term, self.log.leader);
        for at in 0..self.members.len() {
            let member = &self.members[at];
            let old = member.lead.as_ref().is_some_and(|lead| lead.term < term);
            if old
                && member.is_awake()
                && leader.is_some_and(|leader| self.reached_by(member.id).contains(&leader))
            {
                self.members[at].lead = None;
            }
        }
    }

    fn elect_somebody(&mut self) {
        let mut candidates: Vec<_> = self.log.voters.iter().copied().collect();
        while !candidates.is_empty() {
            let at = self.random.between(0, candidates.len() as u64 - 1) as usize;
            let candidate = candidates.swap_remove(at);
            if self.elect(candidate) {
                return;
            }
        }
    }

    /// True when the candidate was elected: awake, its log complete, a majority behind it.
    pub fn elect(&mut self, candidate: MemberId) -> bool {
        if !self.is_awake(candidate) || !self.log.may_lead(candidate, &self.reached_by(candidate)) {
            return false;
        }
        let lost = self.log.elect(candidate, self.now, &mut self.random);
        let (now, term) = (self.now, self.log.term);
        self.trace.say(
            now,
            format_args!(
                "member {candidate} leads term {term}, {} proposals lost",
                lost.len()
            ),
        );
        self.coverage.leader_changes += 1;
        self.coverage.proposals_lost += lost.len() as u64;
        self.member_mut(candidate).lead = Some(Lead::new(term, now));
        true
    }

    fn commit(&mut self, leader: MemberId, reached: &[MemberId]) {
        let before = self.log.len();
        let count = self.log.advance(reached, self.now, &mut self.random);
        for at in before..before + count {
            let (position, entry) = self.log.entry(at);
            let (position, entry) = (position, entry.clone());
            self.oracle_sees(position, &entry);
        }
        for member in reached {
            let delivered = *member == leader || (!self.lags(*member) && self.random.percent(80));
            if delivered && self.member(*member).applied < self.log.len() {
                self.deliver(*member);
            }
        }
    }

    /// Believes that it leads the newest term.
    pub fn leads(&self, id: MemberId) -> bool {
        let lead = self.member(id).lead.as_ref();
        lead.is_some_and(|lead| lead.term == self.log.term)
    }

    /// When this voter last answered this leader.
    pub fn answered_ms(&self, leader: MemberId, voter: MemberId) -> u64 {
        let lead = self.member(leader).lead.as_ref();
        lead.and_then(|lead| lead.answered.get(&voter))
            .copied()
            .unwrap_or(0)
    }

    fn lags(&self, member: MemberId) -> bool {
        self.now < self.member(member).lags_until_ms
    }

    /// Brings a member's own state up to the committed log.
    fn deliver(&mut self, id: MemberId) {
        let length = self.log.len();
        self.log.hold(id, length);
        let now = self.now;
        let at = self.at(id);
        let mut tick_ms = None;
        while self.members[at].applied < length {
            let (position, entry) = self.log.entry(self.members[at].applied);
            let member = &mut self.members[at];
            match &entry.payload {
                Payload::Blank => apply_first_of_term(&mut member.state, position),
                Payload::Membership {
                    voters,
                    members,
                    joint,
                } => {
                    apply_membership(&mut member.state, position, voters, members, *joint);
                }
                Payload::Submission(submission) => {
                    apply(&mut member.state, position, submission);
                    if !matches!(submission.command, Command::OpenTerm { .. }) {
                        member.appended = Some(member.moment(now));
                    }
                }
            }
            member.state.touched.clear();
            member.applied += 1;
            (member.applied_ms, member.stamped_ms) = (now, now);
            if let (Some(ticket), Some(lead)) = (entry.ticket, &mut member.lead) {
                lead.in_flight.remove(&ticket);
                if let Some(tick) = lead.tick.take_if(|tick| tick.ticket == ticket) {
                    let total_ms = now - tick.due_ms;
                    // A leader that is slow to apply knows no better.
                    tick_ms = Some(now - entry.appended_ms);
                    let told = tick.told_ms > 0 && total_ms - tick.told_ms <= TICK_INTERVAL.0;
                    lead.untold_ms = if told { 0 } else { total_ms };
                    lead.tick_due_ms = lead.tick_due_ms.map(|due_ms| due_ms.max(now));
                }
            }
            if member.applied.is_multiple_of(COMPARED_EVERY) {
                let digest = image::digest(&member.state);
                let index = member.applied;
                self.oracle.compare(id, index, digest);
            }
        }
        if let Some(took_ms) = tick_ms {
            self.oracle.times.tick_took(took_ms, now);
        }
        self.wake_agent(id);
    }

    /// Appends a command at a member that believes it leads. It may never be committed.
    pub fn append(
        &mut self,
        id: MemberId,
        actor: Principal,
        reason: Option<String>,
        command: Command,
    ) -> Option<Ticket> {
        let now = self.now;
        let at = self.at(id);
        let term = self.members[at].lead.as_ref().map(|lead| lead.term)?;
        let opening = matches!(command, Command::OpenTerm { .. });
        let member = &mut self.members[at];
        let applied = &member.state.head.term;
        let open = applied.opened && applied.number == term;
        if !(opening || open) {
            // Nobody's write is taken before the term is open where it is led.
            return None;
        }
        member.tickets += 1;
        let ticket = Ticket {
            member: id,
            number: member.tickets,
        };
        let elapsed_ms = now - member.stamped_ms;
        let run_ms = run_ms(elapsed_ms, now - member.applied_ms);
        member.stamped_ms = now;
        let wall_ms = self.cluster_wall_ms(id);
        let submission = Submission {
            elapsed_ms,
            run_ms,
            wall_ms,
            actor,
            reason,
            request: None,
            command,
        };
        if term != self.log.term || self.log.leader != Some(id) {
            // A deposed leader's log: no majority will ever hold it.
            self.coverage.proposals_lost += 1;
            return Some(ticket);
        }
        self.note_clocks(id);
        if !opening {
            self.members[at].appended = Some(self.members[at].moment(now));
        }
        let entry = Entry {
            term,
            leader: id,
            appended_ms: now,
            payload: Payload::Submission(Box::new(submission)),
            ticket: Some(ticket),
        };
        let slow = self.now < self.slow_until_ms;
        let delay = if slow {
            self.random.between(200, 2_500)
        } else {
            self.random.between(1, 40)
        };
        self.coverage.proposals_late += u64::from(slow);
        self.log.append(entry, now + delay);
        Some(ticket)
    }
}

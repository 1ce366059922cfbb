//! The leader's loop around `decide`: sees, decides, proposes, ticks, hands over, carries membership changes.
//! What to decide is not here.

use std::collections::BTreeMap;

use aegis_updates::access::principal::Principal;
use aegis_updates::base::duration::Millis;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::base::limits::{HEALTH_AGE_MAX, QUORUM_ACK_AGE_MAX, TICK_INTERVAL};
use aegis_updates::decision::begin;
use aegis_updates::decision::decide::decide;
use aegis_updates::fleet::intent::Begin;
use aegis_updates::fleet::view::{ClusterView, Voter};
use aegis_updates::machine::command::{Change, Command, Purpose};
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::Status;

use super::log::{Entry, Payload};
use super::member::{Moment, Ticking};
use super::{Event, World};
use crate::invariants::{i03, i11, losses};

/// A proposal that has not come back by then is given up; its effect, if any, shows in the state.
const PROPOSAL_TIMEOUT_MS: u64 = 2_000;
const HANDOFF_TIMEOUT_MS: u64 = 2_000;

impl World {
    pub fn lap_leader(&mut self, id: MemberId) {
        let now = self.now;
        let at = self.at(id);
        let member = &mut self.members[at];
        let Some(lead) = member.lead.as_mut() else {
            return;
        };
        lead.in_flight
            .retain(|_, sent_ms| now - *sent_ms < PROPOSAL_TIMEOUT_MS);
        let head = &member.state.head;
        if head.term.number != lead.term || head.term.leader != Some(id) {
            return;
        }
        if !head.term.opened {
            if lead.in_flight.is_empty() {
                let idle_ms = member
                    .appended
                    .map(|appended| idle_ms(appended, member.moment(now)));
                self.decided(id, Command::OpenTerm { idle_ms });
            }
            return;
        }
        self.probe_silent(id);
        self.tick(id);
        self.change_membership(id);
        if self.hand_over(id) {
            return;
        }
        let in_flight = self.members[at]
            .lead
            .as_ref()
            .is_some_and(|lead| !lead.in_flight.is_empty());
        if in_flight {
            return;
        }
        let view = self.view(id);
        let decision = decide(&self.members[at].state, &view);
        let judged = i11::waits_for_a_slot(&self.members[at].state, &view, &decision.waits);
        if let Err(detail) = judged {
            self.oracle.broken("I11", detail);
        }
        let words = self.words(id);
        let decided = decision.proposal.as_ref();
        if let Err(detail) = losses::decided(&self.members[at].state, &words, decided) {
            self.oracle.broken("losses", detail);
        }
        self.waits = decision.waits;
        if let Some(command) = decision.proposal {
            if let Command::Take(take) = &command
                && take.purpose == Purpose::Update
            {
                self.voters_stay(id, &take.node);
            }
            self.ill_is_ill(id, &command);
            self.decided(id, command);
        }
        if let Some(target) = decision.handoff {
            self.start_handoff(id, target);
        }
    }

    /// I3's word on a take: who truly answered this leader lately, without the candidate and the slot holders.
    fn voters_stay(&mut self, id: MemberId, candidate: &NodeName) {
        let state = &self.member(id).state;
        let free = |voter: &&MemberId| {
            let node = state.node_of_member(**voter);
            node.is_none_or(|node| node.name != *candidate && node.slot.is_none())
        };
        let lately = |voter: &&MemberId| {
            **voter == id || self.now - self.answered_ms(id, **voter) <= QUORUM_ACK_AGE_MAX.0 + 200
        };
        let configured = &state.head.membership.voters;
        let answering = configured.iter().filter(free).filter(lately).count();
        if let Err(detail) = i03::voters_stay(answering, configured.len()) {
            self.oracle.broken("I3", detail);
        }
    }

    /// Proposes what this member itself decided; sometimes it is held up between deciding and appending.
    fn decided(&mut self, id: MemberId, command: Command) {
        let late = self.faulty() && self.random.percent(4);
        let now = self.now;
        let at = self.at(id);
        let Some(lead) = self.members[at].lead.as_mut() else {
            return;
        };
        if late {
            let term = lead.term;
            self.coverage.decisions_late += 1;
            // Not in flight while it hangs: the next lap may decide the same again.
            let delay = self.random.between(300, 4_000);
            self.at_time(
                now + delay,
                Event::Append {
                    member: id,
                    term,
                    command: Box::new(command),
                },
            );
            return;
        }
        let actor = Principal::Member { member: id };
        if let Some(ticket) = self.append(id, actor, None, command)
            && let Some(lead) = self.members[at].lead.as_mut()
        {
            lead.in_flight.insert(ticket, now);
        }
    }

    /// A held-up decision is appended after all, in its own term only.
    pub fn append_late(&mut self, id: MemberId, term: u64, command: Command) {
        if self
            .member(id)
            .lead
            .as_ref()
            .is_some_and(|lead| lead.term == term)
        {
            self.append(id, Principal::Member { member: id }, None, command);
        }
    }

    /// What this leader's evidence and replication say now.
    pub fn view(&self, id: MemberId) -> ClusterView {
        let member = self.member(id);
        let Some(lead) = &member.lead else {
            return ClusterView::default();
        };
        let head = &member.state.head;
        let hosts: BTreeMap<NodeName, _> = member
            .state
            .nodes
            .keys()
            .map(|name| (name.clone(), lead.host(name, self.now)))
            .collect();
        let deposed = lead.term != self.log.term;
        let voter = |voter: &MemberId| {
            let near = self.log.len() - self.member(*voter).applied.min(self.log.len()) <= 128;
            let lately = self.now - self.answered_ms(id, *voter) <= QUORUM_ACK_AGE_MAX.0;
            (
                *voter,
                Voter {
                    caught_up: *voter == id || (near && !deposed && lately),
                },
            )
        };
        ClusterView {
            me: Some(id),
            leads: head.term.number == lead.term && head.term.opened,
            term: lead.term,
            quorum_ack_age: Some(Millis(self.now - lead.acknowledged_ms)),
            membership_changing: head.membership.is_changing(),
            voters: head.membership.voters.iter().map(voter).collect(),
            hosts,
        }
    }

    /// The gates of a begin at this moment, as this leader sees them.
    pub fn judge_begin(
        &mut self,
        id: MemberId,
        node: &NodeName,
        asked: &Begin,
    ) -> Result<(), String> {
        let view = self.view(id);
        let judged = begin::may(&self.member(id).state, &view, node, asked);
        if judged.is_ok() {
            let age = view.quorum_ack_age.map_or(u64::MAX, |age| age.0);
            self.oracle.begin_appended(age);
        }
        judged.map_err(|refusal| format!("{refusal:?}"))
    }

    /// The leader's own look at the database of a host it does not hear.
    fn probe_silent(&mut self, id: MemberId) {
        let now = self.now;
        let names: Vec<(NodeName, MemberId)> = self
            .member(id)
            .state
            .nodes
            .values()
            .map(|node| (node.name.clone(), node.member))
            .collect();
        for (name, host) in names {
            let reachable = self.links.passes(id, host) && self.links.passes(host, id);
            let serves = reachable && self.member(host).host.is_healthy(now);
            let Some(lead) = self.member_mut(id).lead.as_mut() else {
                return;
            };
            let known = lead.known.entry(name).or_default();
            let silent = known
                .newest
                .as_ref()
                .is_none_or(|(at, _)| now - at > HEALTH_AGE_MAX.0);
            let due = known.probed.is_none_or(|(at, _)| now - at > 1_000);
            if silent && due && now - lead.since_ms > HEALTH_AGE_MAX.0 {
                known.probed = Some((now, serves));
                if serves {
                    (known.healthy_ms, known.served_ms) = (Some(now), Some(now));
                    known.unhealthy_since_ms = None;
                }
            }
        }
    }

    /// A tick is reckoned from when it was due: what is late already is told by the tick itself, how long its
    /// commit took by the next, and neither twice.
    fn tick(&mut self, id: MemberId) {
        let now = self.now;
        let runs = waits_for_run(&self.member(id).state);
        let Some(lead) = self.member_mut(id).lead.as_mut() else {
            return;
        };
        if !runs {
            (lead.tick_due_ms, lead.untold_ms) = (Some(now + TICK_INTERVAL.0), 0);
            return;
        }
        let due_ms = *lead.tick_due_ms.get_or_insert(now);
        if lead.tick.is_some() || now < due_ms {
            return;
        }
        let late_ms = now - due_ms;
        let previous_ms = lead.untold_ms.max(late_ms);
        let ticket = self.append(
            id,
            Principal::Member { member: id },
            None,
            Command::Tick { previous_ms },
        );
        if let Some(lead) = self.member_mut(id).lead.as_mut() {
            lead.tick_due_ms = Some(now + TICK_INTERVAL.0);
            lead.tick = ticket.map(|ticket| Ticking {
                ticket,
                due_ms,
                told_ms: late_ms,
            });
        }
    }

    fn start_handoff(&mut self, id: MemberId, target: MemberId) {
        let now = self.now;
        self.trace
            .say(now, format_args!("member {id} hands over to {target}"));
        if let Some(lead) = self.member_mut(id).lead.as_mut() {
            lead.handing_to = Some((target, now));
        }
        let at = now + self.random.between(5, 300);
        self.at_time(
            at,
            Event::Transfer {
                from: id,
                to: target,
            },
        );
    }

    pub fn transfer(&mut self, from: MemberId, to: MemberId) {
        let leads = self.log.leader == Some(from)
            && self
                .member(from)
                .lead
                .as_ref()
                .is_some_and(|lead| lead.term == self.log.term);
        let fails = self.faulty() && self.random.percent(30);
        if leads && !fails && self.reached_by(from).contains(&to) && self.elect(to) {
            self.coverage.handoffs += 1;
            self.member_mut(from).lead = None;
        } else if fails {
            self.coverage.handoffs_failed += 1;
        }
    }

    /// True while a handoff is under way. One that did not happen in time is recorded as failed.
    fn hand_over(&mut self, id: MemberId) -> bool {
        let now = self.now;
        let Some(lead) = self.member_mut(id).lead.as_mut() else {
            return false;
        };
        let Some((target, since_ms)) = lead.handing_to else {
            return false;
        };
        if now - since_ms < HANDOFF_TIMEOUT_MS {
            return true;
        }
        lead.handing_to = None;
        let reason = "it did not take over in time".to_owned();
        self.decided(
            id,
            Command::HandoffFailed {
                target: Some(target),
                reason,
            },
        );
        false
    }

    /// Carries an announced removal through: a new configuration, then the closing word.
    fn change_membership(&mut self, id: MemberId) {
        let member = self.member(id);
        let membership = &member.state.head.membership;
        let Some(Change::Remove { node, .. }) = membership.opened.clone() else {
            return;
        };
        let Some(gone) = member.state.nodes.get(&node).map(|node| node.member) else {
            return;
        };
        let Some(lead) = &member.lead else { return };
        if lead.term != self.log.term
            || self
                .log
                .pending()
                .any(|entry| matches!(entry.payload, Payload::Membership { .. }))
        {
            return;
        }
        if membership.members.contains(&gone) {
            let without = |set: &std::collections::BTreeSet<MemberId>| {
                set.iter()
                    .copied()
                    .filter(|member| *member != gone)
                    .collect()
            };
            let payload = Payload::Membership {
                voters: without(&membership.voters),
                members: without(&membership.members),
                joint: false,
            };
            let entry = Entry {
                term: lead.term,
                leader: id,
                appended_ms: self.now,
                payload,
                ticket: None,
            };
            let ready = self.now + self.random.between(5, 60);
            self.log.append(entry, ready);
        } else if lead.in_flight.is_empty() {
            self.decided(id, Command::CloseMembership { done: true });
        }
    }
}

/// As the control loop computes it: the boot clock within a boot, the time since it began across boots.
pub fn idle_ms(appended: Moment, now: Moment) -> u64 {
    if appended.boot == now.boot {
        return now.boot_ms.saturating_sub(appended.boot_ms);
    }
    now.boot_ms
}

/// A deadline in `run` time is pending: a plan moves, a notice runs, or a node is in hand.
fn waits_for_run(state: &State) -> bool {
    let Some(plan) = state.live_plan() else {
        return false;
    };
    matches!(plan.status, Status::InProgress | Status::RollingBack)
        || plan.cancelling
        || plan.notice_until_run_ms.is_some()
        || state.nodes.values().any(|node| node.slot.is_some())
}

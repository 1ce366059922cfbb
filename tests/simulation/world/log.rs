//! A model of Raft as seen from above: one committed log, terms, one leader a term, entries that a leader
//! appended and that may or may not survive it. Knows nothing of what the entries mean.

use std::collections::{BTreeMap, BTreeSet};

use aegis_updates::base::ids::MemberId;
use aegis_updates::base::numbers::majority;
use aegis_updates::machine::submission::{Position, Submission};

use crate::random::Random;

#[derive(Debug, Clone)]
pub enum Payload {
    /// The empty entry with which consensus opens a term.
    Blank,
    Membership {
        voters: Vec<MemberId>,
        members: Vec<MemberId>,
        joint: bool,
    },
    Submission(Box<Submission>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub term: u64,
    pub leader: MemberId,
    pub appended_ms: u64,
    pub payload: Payload,
    /// Who waits for its result, and under which number.
    pub ticket: Option<Ticket>,
}

/// A proposer's own name for a proposal, so that it learns what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    pub member: MemberId,
    pub number: u64,
}

struct Pending {
    entry: Entry,
    ready_ms: u64,
}

pub struct Log {
    pub term: u64,
    /// The member that leads `term`, whether it is alive or not.
    pub leader: Option<MemberId>,
    /// The last time a majority of the configured voters answered that leader.
    pub acknowledged_ms: u64,
    pub voters: BTreeSet<MemberId>,
    pub members: BTreeSet<MemberId>,
    committed: Vec<Entry>,
    pending: Vec<Pending>,
    /// How much of the committed log each member holds.
    held: BTreeMap<MemberId, usize>,
}

impl Log {
    pub fn new() -> Self {
        Self {
            term: 0,
            leader: None,
            acknowledged_ms: 0,
            voters: BTreeSet::new(),
            members: BTreeSet::new(),
            committed: Vec::new(),
            pending: Vec::new(),
            held: BTreeMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.committed.len()
    }

    /// The entry at a position counted from zero; its log index is one more.
    pub fn entry(&self, at: usize) -> (Position, &Entry) {
        let entry = &self.committed[at];
        let position = Position {
            index: at as u64 + 1,
            term: entry.term,
            leader: entry.leader,
        };
        (position, entry)
    }

    pub fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.pending.iter().map(|pending| &pending.entry)
    }

    pub fn hold(&mut self, member: MemberId, up_to: usize) {
        let held = self.held.entry(member).or_default();
        *held = (*held).max(up_to);
    }

    /// Appended at the leader; committed no earlier than `ready_ms`, and perhaps never.
    pub fn append(&mut self, entry: Entry, ready_ms: u64) {
        self.pending.push(Pending { entry, ready_ms });
    }

    /// Commits what is ready, if the leader reaches `reached`. Those hold it who are in a majority with it.
    pub fn advance(&mut self, reached: &[MemberId], now_ms: u64, random: &mut Random) -> usize {
        let Some(leader) = self.leader else { return 0 };
        if !self.has_quorum(reached) {
            return 0;
        }
        let ready = self
            .pending
            .iter()
            .take_while(|pending| pending.ready_ms <= now_ms)
            .count();
        for pending in self.pending.drain(..ready) {
            if let Payload::Membership {
                voters, members, ..
            } = &pending.entry.payload
            {
                self.voters = voters.iter().copied().collect();
                self.members = members.iter().copied().collect();
            }
            self.committed.push(pending.entry);
        }
        if ready > 0 {
            let length = self.committed.len();
            self.hold(leader, length);
            let mut others: Vec<_> = reached
                .iter()
                .copied()
                .filter(|member| *member != leader)
                .collect();
            let needed = majority(self.voters.len()).saturating_sub(1);
            let mut voters_with_it = 0;
            while !others.is_empty() && (voters_with_it < needed || random.percent(70)) {
                let at = random.between(0, others.len() as u64 - 1) as usize;
                let member = others.swap_remove(at);
                voters_with_it += usize::from(self.voters.contains(&member));
                self.hold(member, length);
            }
        }
        ready
    }

    pub fn has_quorum(&self, reached: &[MemberId]) -> bool {
        let voters = self
            .voters
            .iter()
            .filter(|voter| reached.contains(voter))
            .count();
        voters >= majority(self.voters.len())
    }

    /// May be elected by `reached`: holds all that was committed, and they are a majority.
    pub fn may_lead(&self, candidate: MemberId, reached: &[MemberId]) -> bool {
        self.voters.contains(&candidate)
            && self.held.get(&candidate).copied().unwrap_or(0) >= self.committed.len()
            && self.has_quorum(reached)
    }

    /// A new term. What the old leader appended survives as far as the new one's log had it.
    pub fn elect(&mut self, leader: MemberId, now_ms: u64, random: &mut Random) -> Vec<Entry> {
        let had = random.between(0, self.pending.len() as u64) as usize;
        let lost = self
            .pending
            .split_off(had)
            .into_iter()
            .map(|pending| pending.entry)
            .collect();
        // A leader commits entries of earlier terms only together with one of its own (Raft 5.4.2).
        for pending in &mut self.pending {
            pending.ready_ms = now_ms;
        }
        self.term += 1;
        self.leader = Some(leader);
        self.acknowledged_ms = now_ms;
        let blank = Entry {
            term: self.term,
            leader,
            appended_ms: now_ms,
            payload: Payload::Blank,
            ticket: None,
        };
        self.append(blank, now_ms + random.between(1, 30));
        lost
    }
}

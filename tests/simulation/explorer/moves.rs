//! What can happen next, and doing it. A usual move is what any run is made of; a trouble strikes a bounded
//! number of times on a path. Time passes only when nothing else is left to do, or as a trouble.

use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::Status;

use super::small::{HOSTS, PLAN, Small, member, name};

/// Longer than a begin's lease and a take's age, so that one jump makes both stale.
const JUMP_MS: u64 = 6_000;
/// A host's round.
const ROUND_MS: u64 = 250;
/// More than all deadlines of one step together: what has not moved by then never will.
const PATIENCE_MS: u64 = 100_000;

/// A member lags by at most so many entries, and a decision hangs so long: more than a take and both its begins.
const ENTRIES_LATE_MAX: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// The act in flight takes effect and ends.
    Act(usize),
    Deliver(usize),
    Decide,
    Append,
    AppendHeld,
    HandOver,
    /// A lagging member applies what is committed.
    CatchUp(usize),
    Wait,
    Trouble(Trouble),
}

/// Kinds of trouble, explored one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Loss,
    Lateness,
    Leaders,
    Crashes,
    Time,
    Operator,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Loss,
        Self::Lateness,
        Self::Leaders,
        Self::Crashes,
        Self::Time,
        Self::Operator,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Lose(usize),
    /// A decision hangs, and its leader decides anew meanwhile.
    Hold,
    HandoffFails,
    ChangeLeader(usize),
    Lag(usize),
    /// The daemon dies, before or after the effect of its act.
    CrashBefore(usize),
    CrashAfter(usize),
    /// Nobody does anything for a while; or this host does not, and then wakes.
    TimePasses,
    Freeze(usize),
    Pause,
    Cancel,
    Rollback,
}

impl Trouble {
    const fn kind(self) -> Kind {
        match self {
            Self::Lose(_) => Kind::Loss,
            Self::Hold | Self::Lag(_) => Kind::Lateness,
            Self::HandoffFails | Self::ChangeLeader(_) => Kind::Leaders,
            Self::CrashBefore(_) | Self::CrashAfter(_) => Kind::Crashes,
            Self::TimePasses | Self::Freeze(_) => Kind::Time,
            Self::Pause | Self::Cancel | Self::Rollback => Kind::Operator,
        }
    }
}

impl Small {
    pub fn moves(&self, kinds: &[Kind], troubles_max: u8) -> Vec<Move> {
        let mut moves = self.usual();
        if self.troubles < troubles_max && !self.plan_is_final() {
            let troubles = self.troubles().into_iter();
            let wanted = troubles.filter(|trouble| kinds.contains(&trouble.kind()));
            moves.extend(wanted.map(Move::Trouble));
        }
        moves
    }

    /// What happens without any trouble; empty only where everything rests.
    pub fn usual(&self) -> Vec<Move> {
        let mut moves: Vec<Move> = (0..HOSTS)
            .filter(|seat| self.seats[*seat].acting.is_some())
            .map(Move::Act)
            .collect();
        moves.extend((0..self.letters.len()).map(Move::Deliver));
        if self.decided.is_some() {
            moves.push(Move::Append);
        } else if !self.in_flight {
            let decision = self.decision();
            moves.extend(decision.proposal.map(|_| Move::Decide));
            moves.extend(decision.handoff.map(|_| Move::HandOver));
        }
        let waits = moves.is_empty() && !self.rests();
        moves.extend(self.held.iter().map(|_| Move::AppendHeld));
        let lags = (0..HOSTS).filter(|seat| self.seats[*seat].lags.is_some());
        moves.extend(lags.map(Move::CatchUp));
        moves.extend(waits.then_some(Move::Wait));
        moves
    }

    fn troubles(&self) -> Vec<Trouble> {
        let mut troubles: Vec<Trouble> = (0..self.letters.len()).map(Trouble::Lose).collect();
        for seat in 0..HOSTS {
            if self.seats[seat].acting.is_some() {
                troubles.extend([
                    Trouble::CrashBefore(seat),
                    Trouble::CrashAfter(seat),
                    Trouble::Freeze(seat),
                ]);
            }
            if seat != self.leader {
                troubles.push(Trouble::ChangeLeader(seat));
            }
            if self.seats[seat].lags.is_none() {
                troubles.push(Trouble::Lag(seat));
            }
        }
        if self.decided.is_some() && self.held.is_none() {
            troubles.push(Trouble::Hold);
        }
        if self.decided.is_none() && self.decision().handoff.is_some() {
            troubles.push(Trouble::HandoffFails);
        }
        troubles.push(Trouble::TimePasses);
        let plan = self.newest.state.live_plan();
        if plan.is_some_and(|plan| plan.status == Status::InProgress) {
            troubles.extend([Trouble::Pause, Trouble::Cancel, Trouble::Rollback]);
        }
        troubles
    }

    pub fn take(&mut self, one: &Move) {
        match *one {
            Move::Act(seat) => self.act(seat),
            Move::Deliver(at) => {
                let (from, letter) = self.letters.remove(at);
                self.deliver(from, letter);
            }
            Move::Decide => self.decided = self.decision().proposal,
            Move::Append => {
                let command = self.decided.take();
                self.in_flight = self.seats[self.leader].lags.is_some();
                self.append_decided(command);
            }
            Move::AppendHeld => {
                let command = self.held.take();
                self.append_decided(command.map(|(command, _)| command));
            }
            Move::HandOver => {
                let target = self.decision().handoff;
                let to = (0..HOSTS).find(|seat| Some(member(*seat)) == target);
                self.lead(to.unwrap_or(self.leader));
            }
            Move::CatchUp(seat) => self.catch_up(seat),
            Move::Wait => self.wait(),
            Move::Trouble(trouble) => {
                self.troubles += 1;
                self.strike(trouble);
            }
        }
        self.patience_ends();
        self.rounds(None);
    }

    /// Nothing lags or hangs for ever: each would be tried against all that follows.
    fn patience_ends(&mut self) {
        let newest = self.newest.index;
        let over = |since: u64| newest >= since + ENTRIES_LATE_MAX;
        if self.held.as_ref().is_some_and(|(_, since)| over(*since)) {
            self.held = None;
        }
        for seat in 0..HOSTS {
            if self.seats[seat].lags.is_some_and(over) {
                self.catch_up(seat);
            }
        }
    }

    fn strike(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Lose(at) => {
                self.letters.remove(at);
            }
            Trouble::Hold => {
                let since = self.newest.index;
                self.held = self.decided.take().map(|command| (command, since));
            }
            Trouble::HandoffFails => {
                let failed = Command::HandoffFailed {
                    target: self.decision().handoff,
                    reason: "it did not take over".to_owned(),
                };
                self.append_decided(Some(failed));
            }
            Trouble::ChangeLeader(to) => self.lead(to),
            Trouble::Lag(seat) => self.seats[seat].lags = Some(self.newest.index),
            Trouble::CrashBefore(seat) => {
                self.seats[seat].acting = None;
                self.wake(seat);
            }
            Trouble::CrashAfter(seat) => {
                if let Some((_, act)) = self.seats[seat].acting.take() {
                    // Nobody hears what came of it.
                    let _ = self.effect(seat, &act);
                }
                self.wake(seat);
            }
            Trouble::TimePasses => self.now_ms += JUMP_MS,
            Trouble::Freeze(seat) => {
                self.now_ms += JUMP_MS;
                self.rounds(Some(seat));
                self.act(seat);
            }
            Trouble::Pause => self.operator(Command::Pause { plan: PLAN }),
            Trouble::Cancel => self.operator(Command::Cancel { plan: PLAN }),
            Trouble::Rollback => self.operator(Command::Rollback {
                plan: PLAN,
                nodes: None,
            }),
        }
    }

    /// Until something can happen again, or everything rests. What never moves again is left as it is, and is
    /// found out by its having nothing to do.
    fn wait(&mut self) {
        let until_ms = self.now_ms + PATIENCE_MS;
        while self.now_ms < until_ms {
            self.now_ms += ROUND_MS;
            self.rounds(None);
            if self.usual() != [Move::Wait] {
                return;
            }
        }
        self.wrong = Some(format!("I11: nothing moves for {PATIENCE_MS} ms"));
    }

    fn lead(&mut self, seat: usize) {
        self.leader = seat;
        self.term += 1;
        (self.decided, self.held, self.in_flight) = (None, None, false);
        self.open_term();
        if self.setup.new_leaders_free_slots {
            let mut state = self.newest.state.clone();
            for node in state.nodes.values_mut() {
                node.slot = None;
            }
            self.push(state);
        }
    }

    fn catch_up(&mut self, seat: usize) {
        self.seats[seat].lags = None;
        self.seats[seat].applied = self.newest.clone();
        self.in_flight &= seat != self.leader;
    }

    fn plan_is_final(&self) -> bool {
        let plan = self.newest.state.plans.get(&PLAN);
        plan.is_none_or(|plan| plan.status.is_final())
    }

    /// The plan is over, or waits for an operator; and no host keeps a healthy database from its clients.
    pub fn rests(&self) -> bool {
        let plan = self.newest.state.plans.get(&PLAN);
        let over = plan.is_some_and(|plan| {
            let paused = matches!(plan.status, Status::Paused { .. });
            plan.status.is_final() || (paused && !plan.cancelling)
        });
        let kept_away = |seat: &usize| {
            let host = &self.seats[*seat];
            let node = self.newest.state.nodes.get(&name(*seat));
            let holds = node.is_some_and(|node| node.slot.is_some());
            self.is_healthy(*seat) && (!host.ready || host.drained || holds)
        };
        over && !(0..HOSTS).any(|seat| kept_away(&seat))
    }
}

//! One turn of the machine: an input is taken in, the work is driven as far as it goes, reports go out.
//! What the work is stands in the files beside this one; here is only the frame and its small tools.

use super::action::{Act, Action};
use super::input::{Done, Input, Look, Now};
use super::ledger::{Flight, Ledger, Owner, Work};
use super::memory::{Host, Memory};

/// The work moves on at most this often in one turn: more than its steps have parts, so that an endless
/// circle ends the turn instead of the daemon.
const MOVES_MAX: u32 = 64;

pub(super) struct Turn<'a> {
    pub ledger: &'a mut Ledger,
    pub memory: &'a mut Memory,
    pub now: Now,
    pub out: Vec<Action>,
}

/// Whether the work can go on within this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Again,
    Wait,
}

pub(super) fn run(host: &mut Host, input: Input, now: Now) -> Vec<Action> {
    let before = host.ledger.clone();
    let mut turn = Turn {
        ledger: &mut host.ledger,
        memory: &mut host.memory,
        now,
        out: Vec::new(),
    };
    turn.carry_over_boot();
    turn.take_in(input);
    if turn.memory.awake {
        turn.adopt();
        for _ in 0..MOVES_MAX {
            if turn.drive() == Flow::Wait {
                break;
            }
        }
        turn.report_changes();
        turn.send_reports();
    }
    let mut actions = turn.out;
    if host.ledger != before {
        actions.insert(0, Action::Persist);
    }
    actions
}

impl Turn<'_> {
    /// Times of another boot are worth nothing: deadlines start over, and no lease outlives a boot.
    fn carry_over_boot(&mut self) {
        if self.ledger.boot == Some(self.now.boot) {
            return;
        }
        self.ledger.boot = Some(self.now.boot);
        self.ledger.unready_ms = self.now.ms;
        self.ledger.known.process = None;
        if let Some(work) = &mut self.ledger.work {
            work.since_ms = self.now.ms;
            if let Some(ask) = &mut work.ask {
                ask.sent_ms = None;
                ask.first_ms = self.now.ms;
            }
        }
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Restarted => self.restart(),
            Input::Tick => {}
            Input::Applied(applied) => self.see_applied(applied),
            Input::Look(look) => self.see(look),
            Input::Done(done) => self.end(done),
            Input::BeginRefused { begin, reason } => self.begin_refused(&begin, reason),
            Input::ReportRefused { sequence } => self.report_refused(sequence),
            Input::Contact { at_ms } => {
                self.memory.contact_ms = self.memory.contact_ms.max(Some(at_ms));
            }
        }
    }

    /// Whatever was in flight may have been done or not: it is looked at, never assumed.
    fn restart(&mut self) {
        *self.memory = Memory {
            awake: true,
            changed_ms: self.now.ms,
            ..Memory::default()
        };
        if let Some(Flight { act, .. }) = self.ledger.flight.take() {
            match act {
                Act::Swap { .. } => self.ledger.known.installed = None,
                Act::Stop { .. } | Act::Start { .. } => {
                    self.ledger.known.process = None;
                    self.ledger.known.digest = None;
                }
                _ => {}
            }
        }
        if let Some(work) = &mut self.ledger.work {
            work.since_ms = self.now.ms;
        }
        self.out.push(Action::SetReady(self.ledger.ready));
        self.ask_look();
    }

    fn end(&mut self, done: Done) {
        let Some(flight) = self.ledger.flight.take_if(|flight| flight.id == done.id) else {
            return;
        };
        self.memory.changed_ms = self.now.ms;
        self.remember(&flight.act, &done.result);
        match flight.owner {
            Owner::Work => self.work_done(&flight.act, done.result),
            Owner::Tidying => self.tidying_done(&done.result),
            Owner::Alone => self.alone_done(&flight.act, &done.result),
        }
    }

    /// One move of whatever is due now. Nothing begins while an act is in flight.
    fn drive(&mut self) -> Flow {
        if self.ledger.flight.is_some() {
            self.cancel_if_superseded();
            return Flow::Wait;
        }
        if self.memory.look.is_none() {
            self.ask_look();
            return Flow::Wait;
        }
        match self.act_alone() {
            Some(flow) => flow,
            None if self.now.ms < self.memory.retry_at_ms => Flow::Wait,
            None => self.go_on(),
        }
    }

    pub fn run(&mut self, owner: Owner, act: Act) -> Flow {
        self.ledger.acts = self.ledger.acts.saturating_add(1);
        let id = self.ledger.acts;
        self.ledger.flight = Some(Flight {
            id,
            act: act.clone(),
            owner,
        });
        self.out.push(Action::Run { id, act });
        Flow::Wait
    }

    pub fn ask_look(&mut self) {
        if !self.memory.look_asked {
            self.memory.look_asked = true;
            self.out.push(Action::Look);
        }
    }

    /// A look that began after this machine last changed something.
    pub fn fresh_look(&mut self) -> Option<Look> {
        let fresh = self
            .memory
            .look
            .as_ref()
            .filter(|look| look.at_ms >= self.memory.changed_ms)
            .cloned();
        if fresh.is_none() {
            self.ask_look();
        }
        fresh
    }

    pub fn work(&self) -> Option<&Work> {
        self.ledger.work.as_ref()
    }

    pub const fn elapsed(&self, since_ms: u64) -> u64 {
        self.now.ms.saturating_sub(since_ms)
    }

    pub fn set_ready(&mut self, ready: bool) {
        if self.ledger.ready != ready {
            self.ledger.ready = ready;
            if !ready {
                self.ledger.unready_ms = self.now.ms;
            }
            self.out.push(Action::SetReady(ready));
        }
    }
}

//! What the log says is taken in here: a newer generation, a begin that was granted or not. Only a newer
//! generation is ever accepted, and never while an older one still acts.

use super::action::{Act, Action};
use super::input::Applied;
use super::ledger::{Alone, Ask, Owner, Phase, Work};
use super::turn::Turn;
use crate::base::duration::Millis;
use crate::base::limits::{BEGIN_LEASE, BEGIN_WAIT};
use crate::base::sabotage::Bug;
use crate::fleet::intent::{Begin, Goal, Intent, Which};

/// A refused begin is asked for again after this: gates change within a second, not within a lap.
const ASK_PACE: Millis = Millis(1_000);

/// Where a begin stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begun {
    /// In the log, for the newest attempt, and young enough to act on until `not_after_ms`.
    Granted {
        not_after_ms: u64,
    },
    Waiting,
    /// Not granted, or not used, within `BEGIN_WAIT`.
    Expired {
        reason: String,
    },
}

impl Turn<'_> {
    pub fn see_applied(&mut self, applied: Applied) {
        // A host whose ledger is younger than the log goes on where the log is.
        self.ledger.sequence = self.ledger.sequence.max(applied.sequence);
        self.forget_reports(&applied);
        self.memory.applied = Some(applied);
    }

    /// Makes the newest generation this host's work, as soon as it may.
    pub fn adopt(&mut self) {
        let Some(applied) = self.newer() else {
            return;
        };
        let busy = self.ledger.flight.is_some()
            || matches!(self.ledger.alone, Some(Alone::Restoring { .. }));
        if busy || !self.may_supersede(&applied) {
            return;
        }
        self.ledger.newest = applied.generation;
        self.memory.retry_at_ms = 0;
        let intent = applied
            .intent
            .filter(|intent| intent.generation == applied.generation);
        match intent {
            Some(intent) => self.ledger.work = Some(Work::new(intent, self.now.ms)),
            // The slot was released, or the plan's interest ended: nothing is asked for any more.
            None if self.work().is_some_and(|work| !work.is_answered()) => self.put_back(None),
            None => {}
        }
    }

    /// An act that only waits is not worth waiting for when its generation is over.
    pub fn cancel_if_superseded(&mut self) {
        let Some(flight) = &self.ledger.flight else {
            return;
        };
        let waits = matches!(flight.act, Act::Stage { .. } | Act::WaitDrained { .. });
        let id = flight.id;
        if !waits || flight.owner != Owner::Work || self.memory.cancelled == Some(id) {
            return;
        }
        let superseded = self
            .newer()
            .is_some_and(|applied| self.may_supersede(&applied));
        let drains = matches!(flight.act, Act::WaitDrained { .. });
        if superseded || (drains && self.is_isolated()) {
            self.memory.cancelled = Some(id);
            self.out.push(Action::Cancel { id });
        }
    }

    fn newer(&self) -> Option<Applied> {
        let newest = self.ledger.newest;
        let applied = self.memory.applied.as_ref();
        applied
            .filter(|applied| applied.generation > newest)
            .cloned()
    }

    /// Past the boundary only this host's answer or a rollback ends the work.
    fn may_supersede(&self, applied: &Applied) -> bool {
        let supersedes = |goal: &Goal| match goal {
            Goal::Rollback { .. } => true,
            Goal::StandDown => Bug::StandDownPastBoundary.is_planted(),
            Goal::Stage { .. } | Goal::Update { .. } => false,
        };
        let intent = applied.intent.as_ref();
        let ends_it = intent.is_some_and(|intent| supersedes(&intent.goal));
        let bound = self
            .work()
            .is_some_and(|work| work.acted && !work.is_answered());
        ends_it || !bound
    }

    /// The applied state speaks of the work in hand, and its plan is live.
    pub fn is_live(&self) -> bool {
        self.memory
            .applied
            .as_ref()
            .is_some_and(|applied| applied.live && applied.generation == self.ledger.newest)
    }

    /// Asks for a begin, or says what came of it. A newer attempt makes every older one worthless.
    pub fn begin(&mut self, which: Which) -> Begun {
        let Some(work) = &self.ledger.work else {
            return Begun::Waiting;
        };
        let Some(ask) = work.ask.clone().filter(|ask| ask.which == which) else {
            return self.ask(which, self.now.ms);
        };
        let lease_end = ask.sent_ms.map(|sent| sent.saturating_add(BEGIN_LEASE.0));
        let leased =
            lease_end.is_some_and(|end| self.now.ms <= end || Bug::LeaseIgnored.is_planted());
        if let Some(not_after_ms) = lease_end.filter(|_| leased && self.is_granted(work, &ask)) {
            return Begun::Granted { not_after_ms };
        }
        if self.elapsed(ask.first_ms) >= BEGIN_WAIT.0 {
            let reason = ask.refused.or(ask.last_refused).unwrap_or_else(|| {
                format!("no begin was granted and used within {BEGIN_WAIT}; no reason was given")
            });
            return Begun::Expired { reason };
        }
        let paced = ask
            .sent_ms
            .is_none_or(|sent| self.elapsed(sent) >= ASK_PACE.0);
        if !leased || (ask.refused.is_some() && paced) {
            return self.ask(which, ask.first_ms);
        }
        Begun::Waiting
    }

    fn ask(&mut self, which: Which, first_ms: u64) -> Begun {
        self.ledger.attempts = self.ledger.attempts.saturating_add(1);
        let attempt = self.ledger.attempts;
        let Some(work) = &mut self.ledger.work else {
            return Begun::Waiting;
        };
        let refused = work
            .ask
            .take()
            .filter(|ask| ask.which == which)
            .and_then(|ask| ask.refused.or(ask.last_refused));
        work.ask = Some(Ask {
            which,
            attempt,
            sent_ms: Some(self.now.ms),
            first_ms,
            refused: None,
            last_refused: refused,
        });
        let generation = work.intent.generation;
        self.out.push(Action::Ask(Begin {
            generation,
            which,
            attempt,
        }));
        Begun::Waiting
    }

    fn is_granted(&self, work: &Work, ask: &Ask) -> bool {
        let wanted = Begin {
            generation: work.intent.generation,
            which: ask.which,
            attempt: ask.attempt,
        };
        self.memory.applied.as_ref().is_some_and(|applied| {
            let any = |open: &Begin| {
                Bug::AnyAttempt.is_planted()
                    && (open.generation, open.which) == (wanted.generation, wanted.which)
            };
            applied.generation == wanted.generation
                && (applied.open.contains(&wanted) || applied.open.iter().any(any))
        })
    }

    pub fn begin_refused(&mut self, begin: &Begin, reason: String) {
        let Some(work) = &mut self.ledger.work else {
            return;
        };
        let generation = work.intent.generation;
        if let Some(ask) = &mut work.ask
            && generation == begin.generation
            && ask.which == begin.which
            && ask.attempt == begin.attempt
        {
            ask.refused = Some(reason);
        }
    }
}

impl Work {
    pub const fn new(intent: Intent, now_ms: u64) -> Self {
        Self {
            intent,
            phase: Phase::Accepted,
            since_ms: now_ms,
            ask: None,
            acted: false,
            part: 0,
            tries: 0,
            failure: None,
            replaces: None,
            marks: None,
            rejoin: None,
        }
    }
}

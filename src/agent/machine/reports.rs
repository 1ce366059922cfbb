//! Reports: numbered, kept until the log shows them, sent one at a time and in order. An answer is said again
//! when the database changes after it, because a healed one may free its slot.

use super::action::Action;
use super::input::Applied;
use super::ledger::Phase;
use super::turn::Turn;
use crate::base::duration::Millis;
use crate::base::ids::Generation;
use crate::fleet::observation::{Answer, Database, Notice, Observation, Report};
use crate::plans::progress::Step;

/// A commit takes milliseconds; a second without one means that the report was lost.
const RESEND: Millis = Millis(1_000);
/// Health that flaps faster is not worth an entry in the log.
const DEBOUNCE: Millis = Millis(1_000);
/// Steps of a few generations; only an isolated host comes near it, and its oldest words say least.
const OUTBOX_MAX: usize = 64;

impl Turn<'_> {
    /// The database at the last look, with what only this machine knows.
    pub fn database(&self) -> Database {
        let seen = self.memory.look.as_ref().map(|look| look.database.clone());
        let mut database = seen.unwrap_or_default();
        database.drained |= self.ledger.drained || !self.ledger.ready;
        database
    }

    pub fn report(&mut self, report: Report) {
        let generation = match (&report, self.work()) {
            (Report::Noticed(_), _) | (_, None) => self.newest_known(),
            (_, Some(work)) => work.intent.generation,
        };
        self.ledger.sequence = self.ledger.sequence.saturating_add(1);
        let observation = Observation {
            node: self.ledger.node.clone(),
            generation,
            sequence: self.ledger.sequence,
            database: self.database(),
            report,
        };
        self.ledger.reported = Some(observation.database.clone());
        self.memory.differs_since_ms = None;
        self.ledger.outbox.push(observation);
        if self.ledger.outbox.len() > OUTBOX_MAX {
            let least =
                |kept: &Observation| matches!(kept.report, Report::Entered(_) | Report::Noticed(_));
            if let Some(at) = self.ledger.outbox.iter().position(least) {
                self.ledger.outbox.remove(at);
            }
        }
    }

    /// The newest generation's work has ended.
    pub fn answer(&mut self, answer: Answer) {
        let database = self.database();
        let Some(work) = &mut self.ledger.work else {
            return;
        };
        work.phase = Phase::Answered {
            answer: answer.clone(),
            database,
        };
        work.since_ms = self.now.ms;
        work.failure = None;
        let acted = work.acted;
        self.report(Report::Answered { answer, acted });
    }

    /// Says again, or says first, what changed by itself. Work in hand reports its own steps.
    pub fn report_changes(&mut self) {
        let (Some(_), Some(_)) = (&self.memory.applied, &self.memory.look) else {
            return;
        };
        let now = self.database();
        let answered = match self.work().map(|work| (&work.phase, work.acted)) {
            Some((Phase::At(step), _)) if *step != Step::Staging => return,
            Some((Phase::PuttingBack(_), _)) => return,
            Some((Phase::Answered { answer, database }, acted)) if self.answer_counts() => {
                Some((answer.clone(), database.clone(), acted))
            }
            _ => None,
        };
        let last = match &answered {
            Some((_, database, _)) => Some(database),
            None => self.ledger.reported.as_ref(),
        };
        if last == Some(&now) {
            self.memory.differs_since_ms = None;
            return;
        }
        let first = last.is_none();
        let since = *self.memory.differs_since_ms.get_or_insert(self.now.ms);
        if !first && self.elapsed(since) < DEBOUNCE.0 {
            return;
        }
        match answered {
            Some((answer, _, acted)) => self.answer_again(answer, acted),
            None => self.report(Report::Noticed(Notice::Changed)),
        }
    }

    /// With a new number, and in the place of the same answer that may still be under way: whichever of the
    /// two is applied last is the newer one.
    fn answer_again(&mut self, answer: Answer, acted: bool) {
        let now = self.database();
        let Some(work) = &mut self.ledger.work else {
            return;
        };
        let generation = work.intent.generation;
        work.phase = Phase::Answered {
            answer: answer.clone(),
            database: now,
        };
        self.ledger.outbox.retain(|kept| {
            kept.generation != generation || !matches!(kept.report, Report::Answered { .. })
        });
        self.report(Report::Answered { answer, acted });
    }

    fn answer_counts(&self) -> bool {
        self.work()
            .is_some_and(|work| work.intent.generation == self.newest_known())
    }

    fn newest_known(&self) -> Generation {
        let applied = self.memory.applied.as_ref();
        applied
            .map_or(self.ledger.newest, |applied| applied.generation)
            .max(self.ledger.newest)
    }

    /// One at a time: the log takes a lower number than the newest for a repetition.
    pub fn send_reports(&mut self) {
        let (Some(_), Some(oldest)) = (&self.memory.applied, self.ledger.outbox.first()) else {
            return;
        };
        let sequence = oldest.sequence;
        let waits = self
            .memory
            .sent
            .is_some_and(|(sent, at_ms)| sent == sequence && self.elapsed(at_ms) < RESEND.0);
        if !waits {
            self.out.push(Action::Propose(oldest.clone()));
            self.memory.sent = Some((sequence, self.now.ms));
        }
    }

    /// What the log shows, or does not want any more, is not said again.
    pub fn forget_reports(&mut self, applied: &Applied) {
        self.ledger.outbox.retain_mut(|kept| {
            let notice = matches!(kept.report, Report::Noticed(_));
            // Its number stays: the log never took it under the older generation.
            if notice && kept.generation < applied.generation {
                kept.generation = applied.generation;
            }
            kept.sequence > applied.sequence && kept.generation >= applied.generation
        });
    }

    /// A refused word is dropped, but for those on which the log waits: it may take them later.
    pub fn report_refused(&mut self, sequence: u64) {
        let applied = self.memory.applied.clone();
        self.ledger.outbox.retain(|kept| {
            let awaited = applied.as_ref().is_some_and(|applied| {
                applied.generation == kept.generation
                    && applied.intent.is_some()
                    && applied.answered.is_none()
            });
            let weighty = matches!(
                kept.report,
                Report::Preflight { .. } | Report::Answered { .. }
            );
            kept.sequence != sequence || (weighty && awaited)
        });
    }
}

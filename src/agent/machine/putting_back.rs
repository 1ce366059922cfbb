//! Every way out: the install path as the file of the running process, nothing prepared, undrained, ready. Also
//! outside any work nothing stays drained.

use super::action::{Act, Source};
use super::input::{Failure, Gave, Look};
use super::ledger::{Owner, Phase, Work};
use super::turn::{Flow, Turn};
use super::work::already;
use crate::base::duration::Millis;
use crate::base::limits::RECONNECT_GRACE;
use crate::fleet::observation::Answer;
use crate::plans::strategy::Deadlines;

const PACE: Millis = Millis(1_000);
/// Then the answer is given all the same; what is still drained is undrained later, outside the work.
const TRIES_MAX: u32 = 3;
/// A failed node is rolled back at once, or waits for a person; in the first case it must not take traffic
/// in between.
const AFTER_FAILURE: Millis = RECONNECT_GRACE;

/// Parts of putting back, in order.
const FILE_PREPARED: u8 = 1;
const FILE_BACK: u8 = 2;
const KEPT_UP: u8 = 3;
const NOTHING_PREPARED: u8 = 4;
const UNDRAINED: u8 = 5;

impl Turn<'_> {
    pub fn put_back_for(&mut self, answer: Answer) -> Flow {
        self.put_back(Some(answer));
        Flow::Again
    }

    pub fn put_back(&mut self, answer: Option<Answer>) {
        let now_ms = self.now.ms;
        self.memory.retry_at_ms = 0;
        self.change(|work| {
            work.phase = Phase::PuttingBack(answer);
            work.since_ms = now_ms;
            work.part = 0;
            work.tries = 0;
            work.failure = None;
        });
    }

    pub fn putting_back(&mut self, work: &Work, answer: Option<&Answer>, look: &Look) -> Flow {
        if work.failure.is_some() {
            return self.put_back_failed(work);
        }
        match work.part {
            part if part < FILE_BACK => self.file_back(part, look),
            part if part < KEPT_UP => self.kept_up(),
            part if part < NOTHING_PREPARED => match self.ledger.prepared {
                Some(_) => self.run_for_work(Act::RemovePrepared),
                None => self.next_part(),
            },
            part if part < UNDRAINED => match self.ledger.drained {
                true => self.run_for_work(Act::Undrain),
                false => self.next_part(),
            },
            _ => self.out_again(work, answer),
        }
    }

    /// Only a rename of this machine is undone: what other hands installed is theirs.
    fn file_back(&mut self, part: u8, look: &Look) -> Flow {
        let Some(running) = look.database.digest.filter(|_| self.ledger.swapped) else {
            self.change(|work| work.part = FILE_BACK);
            return Flow::Again;
        };
        let Some(look) = self.fresh_look() else {
            return Flow::Wait;
        };
        if look.database.installed == Some(running) {
            self.change(|work| work.part = FILE_BACK);
            return Flow::Again;
        }
        if part < FILE_PREPARED {
            self.ledger.prepared = Some(running);
            let deadlines = self.deadlines();
            return self.run_for_work(Act::Prepare {
                digest: running,
                from: Source::Running,
                timeout: deadlines.backup,
            });
        }
        self.run_for_work(Act::Swap {
            digest: running,
            not_after_ms: None,
        })
    }

    /// After a swap a stop may have been asked for and not obeyed: the supervisor then lets the old process end
    /// whenever it does, and starts nothing after it. It is told that the database is wanted up.
    fn kept_up(&mut self) -> Flow {
        if !self.ledger.swapped {
            return self.next_part();
        }
        let Some(look) = self.fresh_look() else {
            return Flow::Wait;
        };
        let running = look.database.digest;
        match running.filter(|_| look.database.installed == running) {
            Some(digest) => {
                let timeout = self.deadlines().start;
                self.run_for_work(Act::Start { digest, timeout })
            }
            None => self.next_part(),
        }
    }

    fn put_back_failed(&mut self, work: &Work) -> Flow {
        if work.tries >= TRIES_MAX {
            let skip = match work.part {
                part if part < FILE_BACK => FILE_BACK,
                part => part.saturating_add(1),
            };
            self.change(|work| {
                work.part = skip;
                work.tries = 0;
                work.failure = None;
            });
            return Flow::Again;
        }
        self.memory.retry_at_ms = self.now.ms.saturating_add(PACE.0);
        self.change(|work| work.failure = None);
        Flow::Again
    }

    fn out_again(&mut self, work: &Work, answer: Option<&Answer>) -> Flow {
        let answer = match answer {
            // Found before the node was put back; its report must show it still.
            Some(Answer::AlreadyThere | Answer::RolledBack { .. } | Answer::Recovered) => {
                let Some(look) = self.fresh_look() else {
                    return Flow::Wait;
                };
                let found = already(&work.intent.goal, &look);
                Some(found.unwrap_or_else(|| Answer::GivenBack {
                    reason: format!("it fell ill while it was put back: {}", look.describe()),
                }))
            }
            answer => answer.cloned(),
        };
        self.set_ready(true);
        match answer {
            Some(answer) => self.answer(answer),
            None => self.ledger.work = None,
        }
        Flow::Again
    }

    /// Outside any work nothing lies prepared, and a healthy database is neither drained nor kept from traffic.
    pub fn tidy(&mut self, look: &Look) -> Flow {
        if self.ledger.prepared.is_some() {
            return self.run(Owner::Tidying, Act::RemovePrepared);
        }
        let tidy = !self.ledger.drained && self.ledger.ready;
        if tidy || !look.database.healthy {
            return Flow::Wait;
        }
        let failed = self.work().is_some_and(|work| {
            let answer = match &work.phase {
                Phase::Answered { answer, .. } => Some(answer),
                _ => None,
            };
            work.acted && matches!(answer, Some(Answer::Failed { .. }))
        });
        let since = self.memory.healthy_since_ms.unwrap_or(self.now.ms);
        let answered = self.work().map_or(0, |work| work.since_ms);
        if failed && self.is_live() && self.elapsed(since.max(answered)) < AFTER_FAILURE.0 {
            return Flow::Wait;
        }
        if self.ledger.drained {
            return self.run(Owner::Tidying, Act::Undrain);
        }
        self.set_ready(true);
        Flow::Wait
    }

    pub fn tidying_done(&mut self, result: &Result<Gave, Failure>) {
        if result.is_err() {
            self.memory.retry_at_ms = self.now.ms.saturating_add(PACE.0);
        }
    }

    pub fn deadlines(&self) -> Deadlines {
        self.work()
            .map(|work| work.intent.deadlines.clone())
            .unwrap_or_default()
    }
}

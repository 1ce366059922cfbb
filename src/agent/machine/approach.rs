//! From the first begin to the boundary: Draining, Flushing, BackingUp. Whatever fails here, the node is put
//! back as it was. A database that is down has nothing to drain or flush.

use super::action::{Act, Source};
use super::input::{Failure, FailureKind, Look};
use super::ledger::Work;
use super::turn::{Flow, Turn};
use super::work::already;
use crate::base::failure::Class;
use crate::fleet::intent::Goal;
use crate::plans::progress::Step;
use crate::plans::strategy::AfterDrain;

impl Turn<'_> {
    /// Parts: readiness off and the adapter told; no connections left.
    pub fn draining(&mut self, work: &Work, look: &Look) -> Flow {
        let deadlines = &work.intent.deadlines;
        if look.is_down() {
            return self.enter(Step::Flushing);
        }
        if let Some(failure) = &work.failure {
            return self.judge_drain(work, failure);
        }
        match work.part {
            0 => {
                if let Some(answer) = self.look_again(work) {
                    return answer;
                }
                self.set_ready(false);
                if self.elapsed(self.ledger.unready_ms) < deadlines.drain_grace.0 {
                    return Flow::Wait;
                }
                self.ledger.drained = true;
                self.run_for_work(Act::Drain {
                    timeout: deadlines.drain,
                })
            }
            1 => self.run_for_work(Act::WaitDrained {
                timeout: deadlines.drain,
            }),
            _ => self.enter(Step::Flushing),
        }
    }

    fn judge_drain(&mut self, work: &Work, failure: &Failure) -> Flow {
        let proceeds = work.intent.deadlines.drain_then == AfterDrain::Proceed;
        if failure.kind == FailureKind::TimedOut && work.part == 1 && proceeds {
            return self.next_part();
        }
        self.judge_gentle(work, failure, Step::Draining, Class::DrainFailed)
    }

    /// A sick database need not obey, and a rollback does not wait for one that does not.
    fn judge_gentle(&mut self, work: &Work, failure: &Failure, step: Step, class: Class) -> Flow {
        let Some(look) = self.fresh_look() else {
            return Flow::Wait;
        };
        let rollback = matches!(work.intent.goal, Goal::Rollback { .. });
        if rollback || !look.database.healthy {
            return self.next_part();
        }
        self.fail_act(step, class, failure)
    }

    pub fn flushing(&mut self, work: &Work, look: &Look) -> Flow {
        if look.is_down() {
            return self.enter(Step::BackingUp);
        }
        if let Some(failure) = &work.failure {
            return self.judge_gentle(work, failure, Step::Flushing, Class::FlushFailed);
        }
        match work.part {
            0 => self.run_for_work(Act::Flush {
                timeout: work.intent.deadlines.flush,
            }),
            _ => self.enter(Step::BackingUp),
        }
    }

    /// Parts: the way back is kept; the new file lies beside the install path.
    pub fn backing_up(&mut self, work: &Work, look: &Look) -> Flow {
        if let Some(failure) = &work.failure {
            return self.fail_act(Step::BackingUp, Class::ApplyFailed, failure);
        }
        let timeout = work.intent.deadlines.backup;
        let (target, from) = match &work.intent.goal {
            Goal::Update {
                rollback_target, ..
            } if work.part == 0 => {
                let digest = rollback_target.digest;
                return self.run_for_work(Act::BackUp { digest, timeout });
            }
            Goal::Rollback { .. } if work.part == 0 => return self.next_part(),
            Goal::Update { target, .. } => (target, Source::Staged),
            Goal::Rollback { target, .. } => (target, Source::Backup),
            Goal::Stage { .. } | Goal::StandDown => return Flow::Wait,
        };
        if work.part > 1 || look.database.installed == Some(target.digest) {
            return self.enter(Step::Swapping);
        }
        self.ledger.prepared = Some(target.digest);
        self.run_for_work(Act::Prepare {
            digest: target.digest,
            from,
            timeout,
        })
    }

    /// A node taken because it was unhealthy is looked at again before it is disrupted: `Some` when it
    /// healed, or when the look is too old to tell.
    pub fn look_again(&mut self, work: &Work) -> Option<Flow> {
        if !matches!(work.intent.goal, Goal::Rollback { marked: true, .. }) {
            return None;
        }
        let Some(look) = self.recent_look() else {
            return Some(Flow::Wait);
        };
        already(&work.intent.goal, &look).map(|answer| self.put_back_for(answer))
    }
}

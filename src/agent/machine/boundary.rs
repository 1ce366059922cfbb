//! The boundary and what it covers: the second begin, then rename, stop and start. From the rename on the
//! work is bound to end with this host's answer.

use super::action::Act;
use super::input::Look;
use super::intake::Begun;
use super::ledger::Work;
use super::turn::{Flow, Turn};
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::failure::Class;
use crate::base::sabotage::Bug;
use crate::fleet::intent::{Goal, Which};
use crate::fleet::observation::Answer;
use crate::plans::progress::Step;

/// Between stop and start every millisecond is downtime; a peer that does not answer is no mark.
const MARK_TIMEOUT: Millis = Millis(500);
/// Before a start is tried again.
const START_PACE: Millis = Millis(1_000);

impl Turn<'_> {
    pub fn swapping(&mut self, work: &Work) -> Flow {
        let Some(wanted) = work.intent.goal.wants().map(|binary| binary.digest) else {
            return Flow::Wait;
        };
        if let Some(failure) = &work.failure {
            return self.fail_act(Step::Swapping, Class::ApplyFailed, failure);
        }
        if work.part > 0 {
            return self.enter(Step::Restarting);
        }
        if work.acted {
            // A life of the daemon ended here, or the lease did. Unless the rename was done the begin
            // was not used, and another is needed.
            let Some(look) = self.fresh_look() else {
                return Flow::Wait;
            };
            if look.database.installed == Some(wanted) {
                return self.next_part();
            }
            if look.database.installed.is_some() {
                self.ledger.swapped = false;
                self.change(|work| work.acted = false);
                return Flow::Again;
            }
            self.ask_look();
            return Flow::Wait;
        }
        let begun = match Bug::NoSecondBegin.is_planted() {
            true => Begun::Granted {
                not_after_ms: u64::MAX,
            },
            false => self.begin(Which::Second),
        };
        match begun {
            Begun::Waiting => Flow::Wait,
            Begun::Expired { reason } => self.put_back_for(Answer::GivenBack { reason }),
            Begun::Granted { not_after_ms } => self.cross(work, wanted, not_after_ms),
        }
    }

    fn cross(&mut self, work: &Work, wanted: Digest, not_after_ms: u64) -> Flow {
        if let Some(flow) = self.look_again(work) {
            return flow;
        }
        self.change(|work| work.acted = true);
        let installed = self
            .memory
            .look
            .as_ref()
            .and_then(|look| look.database.installed);
        if installed == Some(wanted) && self.ledger.prepared != Some(wanted) {
            return self.next_part();
        }
        self.ledger.swapped = true;
        self.run_for_work(Act::Swap {
            digest: wanted,
            not_after_ms: Some(not_after_ms),
        })
    }

    /// Parts: the old process is gone; peers said when they last saw it; the new one is there.
    pub fn restarting(&mut self, work: &Work, look: &Look) -> Flow {
        let goal = &work.intent.goal;
        let Some(wanted) = goal.wants().map(|binary| binary.digest) else {
            return Flow::Wait;
        };
        match work.part {
            0 => self.stop(work, look, wanted),
            // A rollback proves itself by its own health, so nobody is asked.
            1 if matches!(goal, Goal::Rollback { .. }) || work.failure.is_some() => {
                self.change(|work| {
                    work.marks.get_or_insert_default();
                });
                self.next_part()
            }
            1 => self.run_for_work(Act::AskPeers {
                timeout: MARK_TIMEOUT,
            }),
            2 => self.start(work, wanted),
            _ => self.enter(Step::Verifying),
        }
    }

    fn stop(&mut self, work: &Work, look: &Look, wanted: Digest) -> Flow {
        if let Some(failure) = &work.failure {
            return match self.fresh_look() {
                None => Flow::Wait,
                Some(look) if look.is_down() => self.next_part(),
                Some(_) => {
                    self.fail_act(Step::Restarting, Class::LauncherActivationFailed, failure)
                }
            };
        }
        let replaced = |process| work.replaces.is_some_and(|old| !old.is(&process));
        if look.process.is_some_and(replaced) && look.database.digest == Some(wanted) {
            // Stopped and started in an earlier life of the daemon.
            self.ledger.swapped = false;
            return self.enter(Step::Verifying);
        }
        if let Some(flow) = self.look_again(work) {
            return flow;
        }
        if let Some(process) = look.process {
            self.change(|work| {
                work.replaces.get_or_insert(process);
            });
        }
        // Also when none runs: its supervisor may have started the old file since that look, or may be
        // about to start a file by itself.
        self.run_for_work(Act::Stop {
            timeout: work.intent.deadlines.stop,
        })
    }

    fn start(&mut self, work: &Work, wanted: Digest) -> Flow {
        let deadlines = &work.intent.deadlines;
        if let Some(failure) = &work.failure {
            if work.tries > deadlines.restart_retries {
                return self.fail_act(Step::Restarting, Class::LauncherActivationFailed, failure);
            }
            self.memory.retry_at_ms = self.now.ms.saturating_add(START_PACE.0);
            self.change(|work| work.failure = None);
            return Flow::Again;
        }
        self.run_for_work(Act::Start {
            digest: wanted,
            timeout: deadlines.start,
        })
    }
}

//! What an isolated host does by itself, and nothing more: give back what it did not begin, start a database
//! that is down, and once restore the rollback target when that start did not help.

use super::action::{Act, Source};
use super::input::{Failure, Gave, Look};
use super::ledger::{Alone, Owner, Phase, Work};
use super::turn::{Flow, Turn};
use crate::base::limits::ISOLATED_AFTER;
use crate::fleet::intent::Goal;
use crate::fleet::observation::{Answer, Notice, Report};
use crate::plans::progress::Step;
use crate::plans::spec::Binary;

/// Parts of restoring, in order.
const PREPARED: u8 = 1;
const STOPPED: u8 = 2;
const SWAPPED: u8 = 3;

impl Turn<'_> {
    /// `None` when this host is not alone, or has nothing to do that its work does not do anyway.
    pub fn act_alone(&mut self) -> Option<Flow> {
        if let Some(Alone::Restoring { part }) = self.ledger.alone {
            return Some(self.restore(part));
        }
        if !self.is_isolated() {
            self.ledger.alone = None;
            return None;
        }
        let look = self.memory.look.clone()?;
        match self.ledger.work.clone() {
            // A begun step is finished, and a node that is being put back is put back.
            Some(work) if work.is_bound() => None,
            Some(work) if self.holds_back(&work) => Some(self.put_back_for(Answer::GivenBack {
                reason: format!("no commit was seen for {ISOLATED_AFTER}"),
            })),
            _ => self.serve_alone(&look),
        }
    }

    /// Not begun past the boundary, and the database is kept from traffic, or might be at the next step.
    fn holds_back(&self, work: &Work) -> bool {
        let on_the_way = matches!(work.phase, Phase::At(step) if step != Step::Staging);
        let kept = self.ledger.drained || !self.ledger.ready;
        on_the_way || (work.phase == Phase::Accepted && kept)
    }

    fn serve_alone(&mut self, look: &Look) -> Option<Flow> {
        if look.database.healthy {
            return None;
        }
        match self.ledger.alone {
            None if self.failed_past_boundary() => Some(self.begin_restoring(look)),
            None if look.is_down() => self.start_alone(look),
            Some(Alone::Started { at_ms }) => {
                let deadlines = self.deadlines();
                let patience = deadlines.start.0.saturating_add(deadlines.verify.0);
                let missed = self.elapsed(at_ms) >= patience;
                missed.then(|| self.begin_restoring(look))
            }
            None | Some(Alone::Restoring { .. } | Alone::Restored) => None,
        }
    }

    /// What the install path holds, if it is a binary that a plan verified or that ran here before.
    fn start_alone(&mut self, look: &Look) -> Option<Flow> {
        let digest = look.database.installed?;
        let ours =
            self.ledger.startable().contains(&digest) || self.ledger.known.digest == Some(digest);
        if !ours {
            return None;
        }
        self.ledger.alone = Some(Alone::Started { at_ms: self.now.ms });
        let timeout = self.deadlines().start;
        Some(self.run(Owner::Alone, Act::Start { digest, timeout }))
    }

    fn begin_restoring(&mut self, look: &Look) -> Flow {
        let helps = self
            .way_back()
            .is_some_and(|target| look.database.installed != Some(target.digest));
        self.ledger.alone = Some(if helps {
            Alone::Restoring { part: 0 }
        } else {
            Alone::Restored
        });
        Flow::Again
    }

    fn restore(&mut self, part: u8) -> Flow {
        let Some(digest) = self.way_back().map(|target| target.digest) else {
            self.ledger.alone = Some(Alone::Restored);
            return Flow::Again;
        };
        if part == PREPARED {
            // It may have healed meanwhile; then there is nothing to restore.
            let Some(look) = self.recent_look() else {
                return Flow::Wait;
            };
            if look.database.healthy {
                self.ledger.alone = None;
                return Flow::Again;
            }
        }
        let deadlines = self.deadlines();
        let act = match part {
            part if part < PREPARED => {
                self.ledger.prepared = Some(digest);
                Act::Prepare {
                    digest,
                    from: Source::Backup,
                    timeout: deadlines.backup,
                }
            }
            part if part < STOPPED => Act::Stop {
                timeout: deadlines.stop,
            },
            part if part < SWAPPED => {
                self.ledger.swapped = true;
                Act::Swap {
                    digest,
                    not_after_ms: None,
                }
            }
            _ => Act::Start {
                digest,
                timeout: deadlines.start,
            },
        };
        self.run(Owner::Alone, act)
    }

    pub fn alone_done(&mut self, act: &Act, result: &Result<Gave, Failure>) {
        let restoring = match self.ledger.alone {
            Some(Alone::Restoring { part }) => Some(part),
            _ => None,
        };
        let did = match (restoring, result) {
            (Some(part), Ok(_)) if part < SWAPPED => {
                self.ledger.alone = Some(Alone::Restoring {
                    part: part.saturating_add(1),
                });
                return;
            }
            (Some(_), Ok(_)) => "restored the rollback target and started it".to_owned(),
            (None, Ok(_)) => "started what was installed".to_owned(),
            (Some(_), Err(failure)) => {
                format!(
                    "could not restore the rollback target: {}: {}",
                    act.name(),
                    failure.detail
                )
            }
            (None, Err(failure)) => {
                format!("could not start what was installed: {}", failure.detail)
            }
        };
        if restoring.is_some() {
            self.ledger.alone = Some(Alone::Restored);
        }
        self.report(Report::Noticed(Notice::ActedIsolated {
            detail: format!("without quorum this host {did}"),
        }));
    }

    fn failed_past_boundary(&self) -> bool {
        self.work().is_some_and(|work| {
            work.acted
                && matches!(
                    work.phase,
                    Phase::Answered {
                        answer: Answer::Failed { .. },
                        ..
                    }
                )
        })
    }

    fn way_back(&self) -> Option<Binary> {
        match self.work().map(|work| &work.intent.goal) {
            Some(
                Goal::Update {
                    rollback_target: target,
                    ..
                }
                | Goal::Rollback { target, .. },
            ) => Some(target.clone()),
            Some(Goal::Stage { .. } | Goal::StandDown) | None => self.ledger.good.clone(),
        }
    }
}

impl Work {
    /// Its own end is the only way on.
    fn is_bound(&self) -> bool {
        let past = self.acted && !self.is_answered();
        past || matches!(self.phase, Phase::PuttingBack(_))
    }
}

//! The newest generation's work, phase by phase: what each waits for, and how it ends. The steps themselves
//! stand in `staging`, `approach` (before the boundary), `boundary` and `proof` (after it).

use super::action::Act;
use super::input::{Failure, FailureKind, Gave, Look};
use super::intake::Begun;
use super::ledger::{Owner, Phase, Work};
use super::turn::{Flow, Turn};
use crate::base::failure::Class;
use crate::fleet::intent::{Goal, Which};
use crate::fleet::observation::{Answer, Rejoin, Report};
use crate::plans::progress::Step;

impl Turn<'_> {
    pub fn go_on(&mut self) -> Flow {
        let Some(look) = self.memory.look.clone() else {
            return Flow::Wait;
        };
        let Some(work) = self.ledger.work.clone() else {
            return self.tidy(&look);
        };
        match &work.phase {
            Phase::Accepted => self.accepted(&work, &look),
            Phase::At(step) => self.at(*step, &work, &look),
            Phase::PuttingBack(answer) => self.putting_back(&work, answer.as_ref(), &look),
            Phase::Answered { .. } => self.tidy(&look),
        }
    }

    fn at(&mut self, step: Step, work: &Work, look: &Look) -> Flow {
        match step {
            Step::Staging => self.staging(work, look),
            Step::Draining => self.draining(work, look),
            Step::Flushing => self.flushing(work, look),
            Step::BackingUp => self.backing_up(work, look),
            Step::Swapping => self.swapping(work),
            Step::Restarting => self.restarting(work, look),
            Step::Verifying => self.verifying(work, look),
            Step::Rejoining => self.rejoining(work, look),
            Step::Soaking => self.soaking(work, look),
        }
    }

    /// Nothing is done yet. What needs no act is answered; a take needs its first begin.
    fn accepted(&mut self, work: &Work, look: &Look) -> Flow {
        let live = self.is_live();
        match &work.intent.goal {
            Goal::StandDown => self.put_back_for(Answer::StoodDown),
            Goal::Stage { .. } if live => self.enter(Step::Staging),
            Goal::Update { .. } if live => self.first_begin(work),
            Goal::Rollback { .. } if live || look.is_down() => self.first_begin(work),
            // The plan ended while this host was away: a healthy database is left alone.
            Goal::Stage { .. } | Goal::Update { .. } | Goal::Rollback { .. } => self.tidy(look),
        }
    }

    fn first_begin(&mut self, work: &Work) -> Flow {
        let Some(look) = self.recent_look() else {
            return Flow::Wait;
        };
        if let Some(answer) = already(&work.intent.goal, &look) {
            return self.put_back_for(answer);
        }
        match self.begin(Which::First) {
            Begun::Granted { .. } => self.enter(Step::Draining),
            Begun::Waiting => Flow::Wait,
            Begun::Expired { reason } => self.put_back_for(Answer::GivenBack { reason }),
        }
    }

    pub fn enter(&mut self, step: Step) -> Flow {
        let now_ms = self.now.ms;
        self.change(|work| {
            work.phase = Phase::At(step);
            work.since_ms = now_ms;
            work.part = 0;
            work.tries = 0;
            work.failure = None;
        });
        if step == Step::Verifying {
            self.count_anew();
            self.ask_look();
        }
        self.report(Report::Entered(step));
        Flow::Again
    }

    pub fn change(&mut self, change: impl FnOnce(&mut Work)) {
        if let Some(work) = &mut self.ledger.work {
            change(work);
        }
    }

    pub fn next_part(&mut self) -> Flow {
        self.change(|work| {
            work.part = work.part.saturating_add(1);
            work.tries = 0;
            work.failure = None;
        });
        Flow::Again
    }

    pub fn run_for_work(&mut self, act: Act) -> Flow {
        self.run(Owner::Work, act)
    }

    pub fn work_done(&mut self, act: &Act, result: Result<Gave, Failure>) {
        match result {
            Ok(Gave::Peers(peers)) => self.peers_answered(peers),
            Ok(gave) => self.part_done(act, &gave),
            // Nothing was done, which a look shows: the part is still due.
            Err(failure)
                if matches!(failure.kind, FailureKind::Cancelled | FailureKind::Lapsed) => {}
            Err(failure) => self.change(|work| {
                work.tries = work.tries.saturating_add(1);
                work.failure = Some(failure);
            }),
        }
    }

    fn part_done(&mut self, act: &Act, gave: &Gave) {
        if let (Act::Start { digest: wanted, .. }, Gave::Started { digest, .. }) = (act, gave)
            && wanted != digest
        {
            let detail = format!("the new process runs {digest} instead of {wanted}");
            self.change(|work| {
                work.tries = u32::MAX;
                work.failure = Some(Failure::new(FailureKind::Lasting, detail));
            });
            return;
        }
        self.next_part();
    }

    /// Before the boundary the node is put back first; after it things stay as they are, and a rollback
    /// generation follows.
    pub fn fail(&mut self, step: Step, class: Class, detail: impl Into<String>) -> Flow {
        let answer = Answer::Failed {
            step,
            class,
            detail: detail.into(),
        };
        if self.work().is_some_and(|work| work.acted) {
            self.answer(answer);
            return Flow::Again;
        }
        self.put_back_for(answer)
    }

    /// The class of an act's failure: a full disk says more than the step.
    pub fn fail_act(&mut self, step: Step, class: Class, failure: &Failure) -> Flow {
        let class = match failure.kind {
            FailureKind::DiskFull => Class::DiskFull,
            _ => class,
        };
        self.fail(step, class, failure.detail.clone())
    }

    pub fn succeed(&mut self, work: &Work) -> Flow {
        let rejoin = work.rejoin.unwrap_or(Rejoin::Own);
        self.ledger.good = work.intent.goal.wants().cloned();
        self.answer(match work.intent.goal {
            Goal::Rollback { .. } => Answer::RolledBack { rejoin },
            _ => Answer::Updated { rejoin },
        });
        Flow::Again
    }
}

/// What a take finds fulfilled without any act.
pub(super) fn already(goal: &Goal, look: &Look) -> Option<Answer> {
    match goal {
        Goal::Stage { target, .. } | Goal::Update { target, .. } if look.serves(target) => {
            Some(Answer::AlreadyThere)
        }
        Goal::Rollback { target, .. } if look.serves(target) => Some(Answer::RolledBack {
            rejoin: Rejoin::Own,
        }),
        Goal::Rollback { marked: true, .. } if look.database.healthy => Some(Answer::Recovered),
        _ => None,
    }
}

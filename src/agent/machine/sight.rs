//! What is seen, and what an act's end says of the host without another look. Somebody else's hands are
//! recognised here; nothing is done about them.

use super::action::Act;
use super::input::{Failure, Gave, Look, Process};
use super::ledger::Phase;
use super::turn::Turn;
use crate::base::limits::{ISOLATED_AFTER, LOOK_AGE_MAX};
use crate::base::sabotage::Bug;
use crate::fleet::observation::{Answer, Notice, Report};
use crate::plans::progress::Step;
use crate::plans::spec::Binary;

impl Turn<'_> {
    pub fn see(&mut self, look: Look) {
        let newest = self.memory.look.as_ref().map_or(0, |known| known.at_ms);
        self.memory.look_asked = false;
        // It began before this machine's last change, or before a look that is known already.
        if look.at_ms < self.memory.changed_ms || look.at_ms < newest {
            return;
        }
        self.count(&look);
        if self.ledger.flight.is_none() {
            self.notice_hands(&look);
        }
        self.remember_good(&look);
        self.memory.look = Some(look);
    }

    fn count(&mut self, look: &Look) {
        let proving = self.work().and_then(|work| match work.phase {
            Phase::At(step) if step >= Step::Verifying => work.intent.goal.wants().cloned(),
            _ => None,
        });
        let good = proving
            .as_ref()
            .map_or(look.database.healthy, |wanted| look.serves(wanted));
        let memory = &mut *self.memory;
        if good {
            memory.good_looks = memory.good_looks.saturating_add(1);
            memory.healthy_since_ms.get_or_insert(look.at_ms);
            memory.unhealthy_since_ms = None;
        } else {
            memory.good_looks = 0;
            memory.healthy_since_ms = None;
            memory.unhealthy_since_ms.get_or_insert(look.at_ms);
        }
        let wrong = proving.is_some_and(|wanted| {
            !good
                && look.database.healthy
                && look.database.digest == Some(wanted.digest)
                && look.database.version.as_ref() != Some(&wanted.version)
        });
        memory.wrong_versions = if wrong {
            memory.wrong_versions.saturating_add(1)
        } else {
            0
        };
    }

    pub const fn count_anew(&mut self) {
        self.memory.good_looks = 0;
        self.memory.wrong_versions = 0;
        self.memory.healthy_since_ms = None;
        self.memory.unhealthy_since_ms = None;
    }

    /// A process, an executable or an installed file that this machine did not put there is a fact, once.
    fn notice_hands(&mut self, look: &Look) {
        let known = self.ledger.known.clone();
        let seen = &look.database;
        let mut hands = Vec::new();
        if let (Some(process), Some(before)) = (look.process, known.process)
            && !process.is(&before)
            && !process.kept
        {
            let (now, before) = (process.pid, before.pid);
            hands.push(format!("process {now} took the place of process {before}"));
        }
        if let (Some(runs), Some(ran)) = (seen.digest, known.digest)
            && runs != ran
            // Our supervisor starts what is installed when the database ends by itself.
            && !(look.process.is_some_and(|process| process.kept)
                && known.installed.is_none_or(|installed| installed == runs))
        {
            let (runs, ran) = (runs.short(), ran.short());
            hands.push(format!("the database runs {runs}, it ran {ran}"));
        }
        if let (Some(lies), Some(lay)) = (seen.installed, known.installed)
            && lies != lay
        {
            let (lies, lay) = (lies.short(), lay.short());
            hands.push(format!("{lies} is installed, it was {lay}"));
        }
        let known = &mut self.ledger.known;
        known.process = look.process.or(known.process);
        known.digest = seen.digest.or(known.digest);
        known.installed = seen.installed.or(known.installed);
        if !hands.is_empty() {
            let detail = hands.join("; ");
            self.report(Report::Noticed(Notice::UnknownHands { detail }));
        }
    }

    /// A binary is good when it serves and is not on trial.
    fn remember_good(&mut self, look: &Look) {
        let on_trial = self.work().is_some_and(|work| match &work.phase {
            Phase::At(step) => *step != Step::Staging,
            Phase::Answered { answer, .. } => matches!(answer, Answer::Failed { .. }) && work.acted,
            Phase::Accepted | Phase::PuttingBack(_) => false,
        });
        let known = self.ledger.good.as_ref();
        if let Some(binary) = look.healthy_binary()
            && !on_trial
            && known != Some(&binary)
        {
            self.ledger.good = Some(binary);
        }
    }

    /// What an act's end tells for certain.
    pub fn remember(&mut self, act: &Act, result: &Result<Gave, Failure>) {
        let Ok(gave) = result else {
            return;
        };
        match (act, gave) {
            (Act::Prepare { digest, .. }, _) => self.ledger.prepared = Some(*digest),
            (Act::RemovePrepared, _) => self.ledger.prepared = None,
            (Act::Undrain, _) => {
                self.ledger.drained = false;
                if let Some(look) = &mut self.memory.look {
                    look.database.drained = false;
                }
            }
            (Act::Swap { digest, .. }, _) => {
                self.ledger.prepared = None;
                self.ledger.known.installed = Some(*digest);
                if let Some(look) = &mut self.memory.look {
                    look.database.installed = Some(*digest);
                }
            }
            (Act::Stop { .. }, _) => self.forget_process(),
            (Act::Start { .. }, Gave::Started { process, digest }) => {
                self.forget_process();
                self.ledger.swapped = false;
                self.ledger.known.process = Some(*process);
                self.ledger.known.digest = Some(*digest);
                if let Some(look) = &mut self.memory.look {
                    look.process = Some(*process);
                    look.database.digest = Some(*digest);
                }
            }
            _ => {}
        }
    }

    fn forget_process(&mut self) {
        self.ledger.known.process = None;
        self.ledger.known.digest = None;
        if let Some(look) = &mut self.memory.look {
            look.process = None;
            look.database.digest = None;
            look.database.version = None;
            look.database.healthy = false;
        }
    }

    /// A look young enough to disrupt on.
    pub fn recent_look(&mut self) -> Option<Look> {
        let now_ms = self.now.ms;
        let recent = self
            .fresh_look()
            .filter(|look| now_ms.saturating_sub(look.at_ms) <= LOOK_AGE_MAX.0);
        if recent.is_none() {
            self.ask_look();
        }
        recent
    }

    pub fn is_isolated(&self) -> bool {
        self.memory
            .contact_ms
            .is_some_and(|at_ms| self.elapsed(at_ms) >= ISOLATED_AFTER.0)
    }
}

impl Look {
    /// Healthy with this binary's version, and it is this binary.
    pub fn serves(&self, wanted: &Binary) -> bool {
        if Bug::NoHealthVersion.is_planted() {
            return self.database.healthy && self.database.digest == Some(wanted.digest);
        }
        self.healthy_binary().as_ref() == Some(wanted)
    }

    pub const fn is_down(&self) -> bool {
        self.process.is_none()
    }

    /// What runs, if it is healthy.
    pub fn healthy_binary(&self) -> Option<Binary> {
        let database = &self.database;
        match (&database.version, database.digest) {
            (Some(version), Some(digest)) if database.healthy => Some(Binary {
                version: version.clone(),
                digest,
            }),
            _ => None,
        }
    }

    pub fn describe(&self) -> String {
        let why = self.detail.as_deref().unwrap_or("no reason was given");
        match &self.database {
            _ if self.is_down() => format!("the database is not running ({why})"),
            seen if seen.healthy => {
                let version = seen.version.as_deref().unwrap_or("none");
                format!("the database is healthy with version {version}")
            }
            _ => format!("the database is not healthy ({why})"),
        }
    }
}

impl Process {
    pub const fn is(&self, other: &Self) -> bool {
        self.pid == other.pid && self.started == other.started
    }
}

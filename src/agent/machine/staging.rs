//! Staging: preflight says what this node goes back to, then the new binary is fetched and verified. Disrupts
//! nothing and needs no begin.

use super::action::Act;
use super::input::{Failure, FailureKind, Look};
use super::ledger::Work;
use super::turn::{Flow, Turn};
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::failure::Class;
use crate::fleet::intent::Goal;
use crate::fleet::observation::{Answer, Report};
use crate::plans::progress::Step;
use crate::plans::spec::Binary;

/// Hashing the installed file takes its time after a start.
const INSTALLED_WAIT: Millis = Millis(30_000);
/// Doubles from a second to a minute: an origin that restarts is back soon, one that is gone is not asked
/// every second by every host.
const BACKOFF_MAX: Millis = Millis(60_000);

/// Preflight is done.
const PREFLIGHT: u8 = 1;
/// The file lies verified.
const LIES: u8 = 2;

impl Turn<'_> {
    pub fn staging(&mut self, work: &Work, look: &Look) -> Flow {
        let Goal::Stage {
            target,
            url,
            allow_drift,
        } = &work.intent.goal
        else {
            return Flow::Wait;
        };
        match work.part {
            0 => self.preflight(work, look, target, *allow_drift),
            part if part < LIES => self.fetch(work, target, url.as_ref()),
            _ => self.put_back_for(Answer::Staged),
        }
    }

    fn preflight(&mut self, work: &Work, look: &Look, target: &Binary, allow_drift: bool) -> Flow {
        let seen = &look.database;
        if seen.installed.is_none() && self.elapsed(work.since_ms) < INSTALLED_WAIT.0 {
            self.ask_look();
            return Flow::Wait;
        }
        if seen.digest.is_some() && seen.digest != seen.installed && !allow_drift {
            let name =
                |digest: Option<Digest>| digest.map_or("no file".to_owned(), |it| it.short());
            let detail = format!(
                "drift: {} is installed and {} runs; restart the database, or allow drift",
                name(seen.installed),
                name(seen.digest)
            );
            return self.fail(Step::Staging, Class::StagingFailed, detail);
        }
        let Some(rollback_target) = look.healthy_binary().or_else(|| self.ledger.good.clone())
        else {
            let detail = format!(
                "there is nothing to go back to: {}, and it was never seen healthy",
                look.describe()
            );
            return self.fail(Step::Staging, Class::StagingFailed, detail);
        };
        self.report(Report::Preflight { rollback_target });
        if look.serves(target) {
            return self.put_back_for(Answer::AlreadyThere);
        }
        if seen.healthy && seen.digest == Some(target.digest) {
            let detail = format!("it runs this binary already, but {}", look.describe());
            return self.fail(Step::Staging, Class::VersionMismatch, detail);
        }
        self.change(|work| work.part = PREFLIGHT);
        Flow::Again
    }

    fn fetch(&mut self, work: &Work, target: &Binary, url: Option<&String>) -> Flow {
        let deadlines = &work.intent.deadlines;
        let left = deadlines
            .staging
            .0
            .saturating_sub(self.elapsed(work.since_ms));
        if let Some(failure) = &work.failure {
            let passing = matches!(failure.kind, FailureKind::Passing | FailureKind::TimedOut);
            if !passing || work.tries > deadlines.staging_retries || left == 0 {
                return self.fail_act(Step::Staging, Class::StagingFailed, failure);
            }
            self.memory.retry_at_ms = self.now.ms.saturating_add(self.backoff_ms(work));
            self.change(|work| work.failure = None);
            return Flow::Again;
        }
        if left == 0 {
            let failure = Failure::new(FailureKind::TimedOut, "staging took too long");
            return self.fail_act(Step::Staging, Class::StagingFailed, &failure);
        }
        let timeout = Millis(left);
        self.run_for_work(match url {
            Some(url) => Act::Stage {
                target: target.clone(),
                url: url.clone(),
                timeout,
            },
            None => Act::CheckBackup {
                digest: target.digest,
            },
        })
    }

    /// Hosts that failed together do not come back together: up to a quarter more, fixed by name and try.
    fn backoff_ms(&self, work: &Work) -> u64 {
        let doubled = 1_000_u64
            .checked_shl(work.tries.saturating_sub(1).min(16))
            .unwrap_or(BACKOFF_MAX.0)
            .min(BACKOFF_MAX.0);
        let seed = format!(
            "{} {} {}",
            self.ledger.node, work.intent.generation, work.tries
        );
        let draw = Digest::of(seed.as_bytes());
        let draw = u64::from(draw.as_bytes().first().copied().unwrap_or(0));
        doubled + doubled / 4 * draw / 255
    }
}

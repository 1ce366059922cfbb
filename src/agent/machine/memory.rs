//! What a host may forget with its daemon: the last look, counts of good looks, pacing. Rebuilt by looking.

use super::input::{Applied, Look};
use super::ledger::{Ledger, Phase};
use crate::base::duration::Millis;
use crate::plans::progress::Step;

/// Four looks within the age at which one may be disrupted on.
const LOOK_INTERVAL: Millis = Millis(250);
const LOOK_TIMEOUT: Millis = Millis(2_000);

/// One host's machine: what is on disk and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    pub ledger: Ledger,
    pub memory: Memory,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// `Restarted` was said.
    pub awake: bool,
    pub applied: Option<Applied>,
    pub look: Option<Look>,
    /// When this machine last changed something: only a later look tells what came of it.
    pub changed_ms: u64,
    /// A look was asked for, and none has come since.
    pub look_asked: bool,
    /// Looks in a row that showed what is wanted, and looks in a row that showed another version.
    pub good_looks: u32,
    pub wrong_versions: u32,
    /// Since when every look has been healthy, or unhealthy.
    pub healthy_since_ms: Option<u64>,
    pub unhealthy_since_ms: Option<u64>,
    /// Since when the database differs from what was last reported.
    pub differs_since_ms: Option<u64>,
    /// When the oldest pending report was last sent, after its sequence.
    pub sent: Option<(u64, u64)>,
    /// The act that was asked to end early.
    pub cancelled: Option<u64>,
    /// No act is begun before this time.
    pub retry_at_ms: u64,
    /// When the group was last known to commit.
    pub contact_ms: Option<u64>,
}

impl Host {
    /// The machine of a daemon that starts with this ledger. Say `Input::Restarted` first.
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            memory: Memory::default(),
        }
    }

    /// How often to look at the database, and how long a look may take.
    pub fn look_pace(&self) -> (Millis, Millis) {
        let deadlines = self.ledger.work.as_ref().map(|work| &work.intent.deadlines);
        let proving = self
            .ledger
            .step()
            .is_some_and(|step| step >= Step::Verifying);
        let timeout = deadlines.map_or(LOOK_TIMEOUT, |deadlines| deadlines.health_timeout);
        match deadlines.filter(|_| proving) {
            Some(deadlines) => (deadlines.health_interval, timeout),
            None => (LOOK_INTERVAL, timeout),
        }
    }

    /// When, after `now_ms`, a wait ends by nothing but time; `None` while none does.
    pub fn due_ms(&self, now_ms: u64) -> Option<u64> {
        let retry_ms = Some(self.memory.retry_at_ms);
        let times = [retry_ms, self.wait_ends_ms()].into_iter().flatten();
        times.filter(|due_ms| *due_ms > now_ms).min()
    }

    fn wait_ends_ms(&self) -> Option<u64> {
        let work = self.ledger.work.as_ref()?;
        let Phase::At(step) = work.phase else {
            return None;
        };
        let deadlines = &work.intent.deadlines;
        let (since_ms, wait) = match (step, work.part) {
            (Step::Draining, 0) => (self.ledger.unready_ms, deadlines.drain_grace),
            (Step::Rejoining, 2..) => (work.since_ms, deadlines.ready_settle),
            (Step::Soaking, _) => {
                let healthy_since_ms = self.memory.healthy_since_ms?;
                (healthy_since_ms.max(work.since_ms), deadlines.soak)
            }
            _ => return None,
        };
        Some(since_ms.saturating_add(wait.0))
    }
}

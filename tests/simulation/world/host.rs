//! A model of one machine: the files that matter, the database process, and what a release does when it
//! runs. Knows nothing of plans or of the log.

use std::collections::{BTreeMap, BTreeSet};

use aegis_updates::base::digest::Digest;
use aegis_updates::plans::spec::Binary;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    Good,
    NeverHealthy,
    CrashesAtStart,
    /// Healthy at first; the process ends this long after its start.
    DiesAfter {
        ms: u64,
    },
    WrongVersion,
    /// Two thirds healthy, one third not, in turns.
    Flapping {
        period_ms: u64,
    },
    Slow {
        ms: u64,
    },
}

/// What a good release needs to answer its first health check.
const WARM_UP_MS: u64 = 300;
const CRASH_MS: u64 = 100;

#[derive(Debug, Clone)]
pub struct Release {
    pub binary: Binary,
    pub usual: Behaviour,
    /// Where it behaves otherwise: by the host's number.
    pub on: BTreeMap<usize, Behaviour>,
}

impl Release {
    pub fn behaviour(&self, host: usize) -> Behaviour {
        self.on.get(&host).copied().unwrap_or(self.usual)
    }
}

/// Every release that exists in this world, by digest.
pub type Shelf = BTreeMap<Digest, Release>;

#[derive(Debug, Clone)]
pub struct Process {
    /// Its number on this host; never used twice.
    pub run: u64,
    pub digest: Digest,
    pub version: String,
    pub behaviour: Behaviour,
    pub started_ms: u64,
    pub stopping: bool,
    /// A fault of the machine, not of the release.
    pub sick_until_ms: u64,
}

impl Process {
    pub fn is_healthy(&self, now_ms: u64) -> bool {
        let age = now_ms.saturating_sub(self.started_ms);
        if now_ms < self.sick_until_ms || self.stopping || age < WARM_UP_MS {
            return false;
        }
        match self.behaviour {
            Behaviour::Good | Behaviour::DiesAfter { .. } | Behaviour::WrongVersion => true,
            Behaviour::NeverHealthy | Behaviour::CrashesAtStart => false,
            Behaviour::Flapping { period_ms } => (age / period_ms) % 3 != 2,
            Behaviour::Slow { ms } => age >= ms,
        }
    }

    /// It does not end, or turn ill, by itself.
    pub const fn stays(&self) -> bool {
        matches!(
            self.behaviour,
            Behaviour::Good | Behaviour::WrongVersion | Behaviour::Slow { .. }
        )
    }

    pub const fn flaps(&self) -> bool {
        matches!(self.behaviour, Behaviour::Flapping { .. })
    }

    /// Some starts are heard by their peers later than they serve.
    const fn shy_ms(&self) -> u64 {
        if self.run % 4 == 3 { 3_000 } else { 0 }
    }

    pub fn dies_at_ms(&self) -> Option<u64> {
        match self.behaviour {
            Behaviour::CrashesAtStart => Some(self.started_ms + CRASH_MS),
            Behaviour::DiesAfter { ms } => Some(self.started_ms + ms),
            _ => None,
        }
    }

    pub fn says_version(&self) -> String {
        match self.behaviour {
            Behaviour::WrongVersion => "0.0.1".to_owned(),
            _ => self.version.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Host {
    pub number: usize,
    /// The file at the install path.
    pub installed: Option<Digest>,
    /// The new file beside the install path.
    pub aside: Option<Digest>,
    pub staged: BTreeSet<Digest>,
    pub backups: BTreeSet<Digest>,
    pub process: Option<Process>,
    /// What `/ready` says to balancers.
    pub ready: bool,
    /// What the adapter told the database.
    pub drained: bool,
    /// The resident parent keeps the database running.
    pub kept_running: bool,
    pub runs: u64,
}

impl Host {
    pub fn new(number: usize, first: Digest) -> Self {
        Self {
            number,
            installed: Some(first),
            aside: None,
            staged: BTreeSet::new(),
            backups: BTreeSet::new(),
            process: None,
            ready: true,
            drained: false,
            kept_running: true,
            runs: 0,
        }
    }

    /// Starts what the install path holds. `None`: there is nothing to start, or it runs already.
    pub fn start(&mut self, shelf: &Shelf, now_ms: u64) -> Option<&Process> {
        if self.process.is_some() {
            return None;
        }
        let release = shelf.get(&self.installed?)?;
        self.runs += 1;
        self.kept_running = true;
        let process = Process {
            run: self.runs,
            digest: release.binary.digest,
            version: release.binary.version.clone(),
            behaviour: release.behaviour(self.number),
            started_ms: now_ms,
            stopping: false,
            sick_until_ms: 0,
        };
        Some(self.process.insert(process))
    }

    pub fn is_healthy(&self, now_ms: u64) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.is_healthy(now_ms))
    }

    /// Its peers hear of it, too.
    pub fn is_heard(&self, now_ms: u64) -> bool {
        let heard = |process: &Process| {
            process.is_healthy(now_ms) && now_ms >= process.started_ms + process.shy_ms()
        };
        self.process.as_ref().is_some_and(heard)
    }

    /// Takes client traffic: answers, and balancers are told so.
    pub fn serves(&self, now_ms: u64) -> bool {
        self.is_healthy(now_ms) && self.ready && !self.drained
    }

    /// Power off: what is in memory is gone, files stay.
    pub fn power_off(&mut self) {
        self.process = None;
        self.ready = false;
        self.drained = false;
    }
}

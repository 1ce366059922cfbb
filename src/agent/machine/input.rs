//! What the host's machine is told: the log's word, what was seen, what came of an action, and time.
//! Everything but `Done` and the refusals is a level: told again at will, the same word changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::ids::Generation;
use crate::fleet::intent::{Begin, Intent};
use crate::fleet::node::{Answered, Node};
use crate::fleet::observation::Database;

/// The boot-time clock (it counts while the host sleeps) and which boot it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// SHA-256 of the kernel's boot id: times of another boot mean nothing.
    pub boot: Digest,
    pub ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, several a second: a box would save nothing"
)]
pub enum Input {
    /// The daemon started and holds the executor's lock, so that no older action is running. An action
    /// in the ledger may have been done, half done, or not done. The first input of every life.
    Restarted,
    /// Time passed. Several times a second.
    Tick,
    /// This member's applied state about this node: on every change, and now and then without one.
    Applied(Applied),
    Look(Look),
    /// What came of `Action::Run`. Exactly one for each, but none for those of an earlier life.
    Done(Done),
    /// The log, or the leader, refused this begin, or nobody could be asked. A begin that was granted
    /// shows in `Applied`.
    BeginRefused {
        begin: Begin,
        reason: String,
    },
    /// The log refused this report. A report that was accepted, or could not be delivered, needs no word.
    ReportRefused {
        sequence: u64,
    },
    /// When this host last had proof that the group commits (a commit, or a leader's heartbeat in a term
    /// it leads); the daemon's start if it had none. On the boot-time clock, with every tick or so.
    Contact {
        at_ms: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The newest generation given, also after its intent was removed.
    pub generation: Generation,
    pub intent: Option<Intent>,
    /// The intent's plan is live.
    pub live: bool,
    /// Accepted begins that are not answered.
    pub open: Vec<Begin>,
    pub answered: Option<Answered>,
    /// The newest report that was applied.
    pub sequence: u64,
}

/// The database as this host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When the look began, on the boot-time clock.
    pub at_ms: u64,
    pub database: Database,
    /// `None` when no process runs.
    pub process: Option<Process>,
    /// Why it is not healthy, for people.
    pub detail: Option<String>,
}

/// One life of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: u32,
    /// Start time as the kernel counts it: with the pid it names one process for ever.
    pub started: u64,
    /// Our own supervisor keeps it: a new pid after a crash is no unknown hand.
    pub kept: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Of the `Action::Run`.
    pub id: u64,
    pub result: Result<Gave, Failure>,
}

/// What an action gave besides having been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gave {
    Nothing,
    /// `Act::Start`: the new process and the digest of its executable.
    Started {
        process: Process,
        digest: Digest,
    },
    /// `Act::AskPeers`: every *other healthy* database by name, with the `last_seen` it gives for this
    /// node on its own clock, or `None` when it does not list it. Empty when there is no other healthy
    /// one, or the adapter has no peers to ask.
    Peers(BTreeMap<String, Option<u64>>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// Another try may help.
    Passing,
    /// Another try would give the same: a wrong digest, another architecture.
    Lasting,
    DiskFull,
    /// The action's own time is over.
    TimedOut,
    /// `not_after_ms` had passed before anything was done.
    Lapsed,
    /// `Action::Cancel` was obeyed.
    Cancelled,
}

impl Applied {
    pub fn of(node: &Node, live: bool) -> Self {
        Self {
            generation: node.generation,
            intent: node.intent.clone(),
            live,
            open: node.open.clone(),
            answered: node.answered.clone(),
            sequence: node.sequence,
        }
    }
}

impl Failure {
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }
}

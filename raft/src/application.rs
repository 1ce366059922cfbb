//! The face towards the application: what an entry is, and what applying it gives back.
//! No storage, no network and no openraft type appears here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// A deterministic state machine held in memory.
///
/// The store calls it from one task at a time, in log order, and gives every entry exactly once between
/// a `restore` and the next. Applying must read no clock, disk, socket or random source, and must not
/// panic: a panic stops this member at the same index for ever.
pub trait Application: Send + Sync + 'static {
    /// Applies one committed entry. `payload` is empty unless `entry.kind` is `Normal`.
    ///
    /// The rows, the reply and `last_applied` become durable in one write batch; the reply is handed to
    /// the proposer only after that batch was written.
    fn apply(&mut self, entry: &EntryContext, payload: &[u8]) -> Applied;

    /// Replaces the whole state by the rows of the `Application` column, in key order.
    ///
    /// Called once when the store opens (with no rows on a new store) and before each image is installed. Rows that
    /// are refused leave the state as it was.
    fn restore(&mut self, rows: &mut dyn Iterator<Item = StoredRow>) -> Result<(), RestoreError>;
}

/// A key and its value as they lie in the `Application` column.
pub type StoredRow = Result<(Vec<u8>, Vec<u8>), RestoreError>;

/// Where an entry stands in the log and what kind it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryContext {
    /// Position in the log; every index is applied once, in order, without gaps.
    pub index: u64,
    /// The term in which the entry was proposed.
    pub term: u64,
    /// The member that led that term, and so proposed the entry.
    pub leader: u64,
    pub kind: EntryKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A payload that somebody proposed; `opening` repeats the flag of [`Payload`].
    Normal { opening: bool },
    /// The empty entry that a new leader appends before anything else of its term.
    FirstOfTerm,
    /// A new configuration of the group.
    Membership(Membership),
}

/// What is proposed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Set on the entry with which a leader opens its term, so that the store can leave such entries
    /// out of "the newest entry that is not a term's first" without decoding the payload.
    pub opening: bool,
    #[serde(with = "crate::encoding::bytes")]
    pub bytes: Vec<u8>,
}

impl Payload {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            opening: false,
            bytes,
        }
    }

    pub fn opening(bytes: Vec<u8>) -> Self {
        Self {
            opening: true,
            bytes,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Payload {{ opening: {}, {} bytes }}",
            self.opening,
            self.bytes.len()
        )
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The outcome of applying one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What the proposer gets back.
    pub reply: Vec<u8>,
    /// What changes on disk, together with `last_applied`.
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub column: Column,
    pub key: Vec<u8>,
    /// `None` deletes the key.
    pub value: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The state: what [`Application::restore`] reads back.
    Application,
    /// The journal: read by key range through the store, never loaded as a whole.
    Journal,
}

/// A member's entry in the configuration. Its id is the map key and is never used twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    /// `host:port` of the member listener.
    pub peer_addr: String,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.peer_addr)
    }
}

/// The configuration of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The set of voters; two sets while a change passes through its joint phase, the old one first.
    pub voters: Vec<BTreeSet<u64>>,
    /// Voters and learners.
    pub nodes: BTreeMap<u64, Node>,
}

impl Membership {
    /// Every member with a vote, in the joint phase from both sets.
    pub fn voter_ids(&self) -> BTreeSet<u64> {
        self.voters.iter().flatten().copied().collect()
    }

    pub fn learner_ids(&self) -> BTreeSet<u64> {
        let voters = self.voter_ids();
        self.nodes
            .keys()
            .filter(|id| !voters.contains(id))
            .copied()
            .collect()
    }

    pub fn contains(&self, id: u64) -> bool {
        self.nodes.contains_key(&id)
    }
}

/// The stored rows could not be read or understood; the member must not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreError(pub String);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state could not be restored from disk: {}", self.0)
    }
}

impl std::error::Error for RestoreError {}

//! A bad network on demand, for tests in one process. Production has none of it.

use std::time::Duration;

/// Stands in for a bad network.
pub trait Faults: Send + Sync + 'static {
    /// Asked before each request leaves, and, as [`Kind::Answer`] with the ends exchanged, before its
    /// answer is used.
    fn before(&self, from: u64, to: u64, kind: Kind) -> Verdict;
}

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Vote,
    PreVote,
    Append,
    Heartbeat,
    Image,
    TransferLeader,
    ReadIndex,
    Product,
    /// The answer to any of them.
    Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Fails at once, like a closed port.
    Refuse,
    /// Is never answered: fails at its deadline.
    Drop,
    Delay(Duration),
    /// Passes, and a copy of it arrives this much later. An answer only passes.
    Twice(Duration),
    /// Arrives this much later, after what was sent behind it; its sender hears no answer. An answer is
    /// dropped.
    Late(Duration),
}

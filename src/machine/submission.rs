//! What lies in the log: a command, who asked for it and why, and the leader's two clocks.

use serde::{Deserialize, Serialize};

use super::command::Command;
use crate::access::principal::Principal;
use crate::base::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The leader's monotonic time since it applied or stamped the previous entry, whichever was later.
    pub elapsed_ms: u64,
    /// How much of that `run` may advance at most, where entries not yet applied took the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<u64>,
    /// The time that the wall clocks of a majority have reached: for windows, expiry and the journal only.
    pub wall_ms: u64,
    pub actor: Principal,
    pub reason: Option<String>,
    /// Makes a write safe to retry.
    pub request: Option<RequestKey>,
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestKey {
    pub key: String,
    /// SHA-256 of method, path and body.
    pub body: Digest,
}

/// Where the entry stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub index: u64,
    pub term: u64,
    pub leader: crate::base::ids::MemberId,
}

//! What a member is started with. No file is read here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::ground::TcpListener;
use crate::network::{Faults, Handler, Joining};
use crate::pki::Credentials;

/// How this member meets the others.
pub struct Peers {
    /// Bound by the caller, so that a busy port is the caller's error.
    pub listener: TcpListener,
    pub credentials: Credentials,
    /// Serves what is not under `/raft/`.
    pub handler: Handler,
    pub joining: Joining,
    /// Let a peer without a certificate reach `/join`.
    pub anonymous_join: bool,
    /// Addresses that override what the configuration says, by member id.
    pub addresses: BTreeMap<u64, String>,
    /// `None` in production.
    pub faults: Option<Arc<dyn Faults>>,
}

/// Everything that does not change while the member runs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub timing: Timing,
    pub images: ImagePolicy,
}

/// Heartbeat and election times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    pub heartbeat_ms: u64,
    pub election_min_ms: u64,
    pub election_max_ms: u64,
}

impl Timing {
    /// One rack or zone: failover in about 0.6 s.
    pub const LAN: Timing = Timing {
        heartbeat_ms: 50,
        election_min_ms: 150,
        election_max_ms: 300,
    };
    /// Several zones: round trips of tens of milliseconds need slack.
    pub const WAN: Timing = Timing {
        heartbeat_ms: 250,
        election_min_ms: 1_000,
        election_max_ms: 2_000,
    };

    /// The longest a leaderless gap lasts when nothing else fails: a follower's lease of
    /// `election_max`, a random timeout of up to as much again, and one round of votes.
    pub fn election_worst(&self) -> Duration {
        Duration::from_millis(self.election_max_ms * 3)
    }
}

/// When an image of the state is built, and how much log stays behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImagePolicy {
    /// Build one each so many applied entries.
    pub entries: u64,
    /// Or each so many bytes of log.
    pub log_bytes: u64,
    /// Entries kept behind an image: a transfer does not hold back purging, so what arrives while an
    /// image is on its way must still be in the log when it has landed.
    pub keep: u64,
}

impl Default for ImagePolicy {
    fn default() -> Self {
        Self {
            entries: 10_000,
            log_bytes: 64 << 20,
            keep: 5_000,
        }
    }
}

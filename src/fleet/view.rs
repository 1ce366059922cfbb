//! What consensus and the health samples say now. Never replicated, never trusted when old.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::ids::{Generation, MemberId, NodeName};
use crate::base::limits::HEALTH_AGE_MAX;
use crate::plans::progress::Step;

/// What each agent sends the leader every second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub healthy: bool,
    pub version: Option<String>,
    /// Of the running executable; `None` when no process runs.
    pub digest: Option<Digest>,
    /// The daemon lets the database take traffic.
    pub ready: bool,
    pub drained: bool,
    /// The adapter's own word on whether the database may be stopped now.
    pub safe_to_stop: Result<(), String>,
    pub disk_free_bytes: u64,
    /// Fine progress, for people.
    pub generation: Generation,
    pub step: Option<Step>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Heard {
    /// Not heard since this leader began to listen: unsafe, but no failure.
    #[default]
    Unknown,
    /// Heard before, not within `HEALTH_AGE_MAX`.
    Silent {
        age: Millis,
    },
    Heard {
        age: Millis,
        sample: Sample,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    pub heard: Heard,
    /// Time without a sample in this term (since this leader began to listen, or since the last one).
    pub silent_for: Millis,
    /// How long every sample has said unhealthy, without a healthy one between.
    pub unhealthy_for: Option<Millis>,
    /// The leader's own look at the database, made only when its host is silent: `Some(true)` = it serves.
    pub probed: Option<bool>,
    /// How long ago such a look last found that it serves, while its host was silent.
    pub served_ago: Option<Millis>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Voter {
    /// Its log is close to the leader's and it answered lately.
    pub caught_up: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    pub me: Option<MemberId>,
    /// This member leads `term`, and the state includes that term's opening entry.
    pub leads: bool,
    pub term: u64,
    pub quorum_ack_age: Option<Millis>,
    pub membership_changing: bool,
    /// The configured voters, with what replication says of them.
    pub voters: BTreeMap<MemberId, Voter>,
    pub hosts: BTreeMap<NodeName, Host>,
}

impl Host {
    /// `Some(healthy)` on evidence young enough to act on; `None` is unknown, and unknown is unsafe.
    pub fn fresh_health(&self) -> Option<bool> {
        self.fresh().map(|sample| sample.healthy)
    }

    pub fn fresh(&self) -> Option<&Sample> {
        match &self.heard {
            Heard::Heard { age, sample } if *age <= HEALTH_AGE_MAX => Some(sample),
            _ => None,
        }
    }

    pub const fn age(&self) -> Option<Millis> {
        match &self.heard {
            Heard::Heard { age, .. } | Heard::Silent { age } => Some(*age),
            Heard::Unknown => None,
        }
    }
}

//! What a host reports about a generation. Durable, numbered by the host's ledger, harmless when repeated.

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::failure::Class;
use crate::base::ids::{Generation, NodeName};
use crate::plans::progress::Step;
use crate::plans::spec::Binary;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub node: NodeName,
    pub generation: Generation,
    /// Grows with every report of this host; a lower or equal one is a repetition.
    pub sequence: u64,
    pub database: Database,
    pub report: Report,
}

/// The database as the host sees it at the moment of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// SHA-256 of the running executable; `None` when no process runs.
    pub digest: Option<Digest>,
    /// SHA-256 of the file at the install path; `None` when there is none, or it was not read yet.
    pub installed: Option<Digest>,
    pub version: Option<String>,
    pub healthy: bool,
    pub drained: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// Preflight done: what this node goes back to.
    Preflight {
        rollback_target: Binary,
    },
    Entered(Step),
    /// The newest generation's work has ended, this way. Nothing older is running on the host.
    /// `acted`: this generation acted past its second begin.
    Answered {
        answer: Answer,
        acted: bool,
    },
    /// Noticed outside any generation: somebody else changed the database, or this isolated host acted.
    Noticed(Notice),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The binary lies verified on the host.
    Staged,
    /// Already on the target digest, healthy: no restart was needed.
    AlreadyThere,
    Updated {
        rejoin: Rejoin,
    },
    RolledBack {
        rejoin: Rejoin,
    },
    /// The node was put back: a begin was not granted or not used in time.
    GivenBack {
        reason: String,
    },
    /// Marked unhealthy, found healthy: nothing was done, an ordinary slot is needed.
    Recovered,
    StoodDown,
    Failed {
        step: Step,
        class: Class,
        detail: String,
    },
}

/// What proved that the node serves again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejoin {
    Peers,
    /// The weaker one: its own health, when there is no other healthy node, or in a rollback.
    #[serde(rename = "self")]
    Own,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The running process or the installed file is not what the ledger left there.
    UnknownHands { detail: String },
    /// Without quorum this host did this by itself.
    ActedIsolated { detail: String },
    /// Nothing special: the database's state changed (health, digest, version).
    Changed,
}

impl Answer {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::AlreadyThere => "already_there",
            Self::Updated { .. } => "updated",
            Self::RolledBack { .. } => "rolled_back",
            Self::GivenBack { .. } => "given_back",
            Self::Recovered => "recovered",
            Self::StoodDown => "stood_down",
            Self::Failed { .. } => "failed",
        }
    }
}

//! What the log says a node should be doing. A generation only grows; an older one is refused by the host.

use serde::{Deserialize, Serialize};

use crate::base::ids::{Generation, PlanId};
use crate::plans::spec::Binary;
use crate::plans::strategy::Deadlines;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub generation: Generation,
    pub plan: PlanId,
    pub goal: Goal,
    pub deadlines: Deadlines,
    /// Set on a take; a stage or a stand-down disrupts nothing and needs none.
    pub taken: Option<Taken>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Preflight, then the binary verified on this host. `url` is `None` when it must be among the backups.
    Stage {
        target: Binary,
        url: Option<String>,
        allow_drift: bool,
    },
    /// The target, from Draining to Soaking.
    Update {
        target: Binary,
        rollback_target: Binary,
    },
    /// Back to the rollback target. `marked`: taken because it was unhealthy, so the host looks again
    /// before it drains and before it stops.
    Rollback { target: Binary, marked: bool },
    /// Install path equal to the running file, undrained; nothing else.
    StandDown,
}

/// The decision to let a node be disrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub term: u64,
    pub run_ms: u64,
    /// True when the node served at the take.
    pub was_healthy: bool,
    pub evidence: Vec<Evidence>,
}

/// What the leader knew of one node when it took another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub node: crate::base::ids::NodeName,
    pub healthy: bool,
    pub age_ms: u64,
}

impl Goal {
    pub const fn disrupts(&self) -> bool {
        matches!(self, Self::Update { .. } | Self::Rollback { .. })
    }

    /// The binary the database should run when this intent is fulfilled; `None` when it says nothing.
    pub const fn wants(&self) -> Option<&Binary> {
        match self {
            Self::Update { target, .. } | Self::Rollback { target, .. } => Some(target),
            Self::Stage { .. } | Self::StandDown => None,
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stage { .. } => "stage",
            Self::Update { .. } => "update",
            Self::Rollback { .. } => "rollback",
            Self::StandDown => "stand_down",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Which {
    /// Before Draining.
    First,
    /// Before the rename; it covers rename, stop and start. The boundary.
    Second,
}

/// A host's committed word that it starts something disruptive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    pub generation: Generation,
    pub which: Which,
    /// From the host's ledger; it acts on its newest attempt only.
    pub attempt: u64,
}

//! The conditions for taking a node, by name. Judging them takes state and view: `machine` and `decision` do.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The leader's quorum answered within the last second.
    Quorum,
    /// Enough caught-up voters without the candidate's and every slot holder's.
    Members,
    /// Enough healthy databases without the candidate and every slot holder.
    Databases,
    /// A node outside the plan that is unhealthy or unknown blocks.
    Outsiders,
    /// A slot is free, counted over the whole cluster.
    Slot,
    PreviousWave,
    Membership,
    /// The leader's node is taken last, after a handoff.
    Handoff,
    /// Nothing is taken while quorum loss is being judged.
    QuorumLoss,
    /// The candidate's own host was heard and its database may be stopped.
    SafeToStop,
}

impl Gate {
    pub const ALL: [Self; 10] = [
        Self::Quorum,
        Self::Members,
        Self::Databases,
        Self::Outsiders,
        Self::Slot,
        Self::PreviousWave,
        Self::Membership,
        Self::Handoff,
        Self::QuorumLoss,
        Self::SafeToStop,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Members => "members",
            Self::Databases => "databases",
            Self::Outsiders => "outsiders",
            Self::Slot => "slot",
            Self::PreviousWave => "previous_wave",
            Self::Membership => "membership",
            Self::Handoff => "handoff",
            Self::QuorumLoss => "quorum_loss",
            Self::SafeToStop => "safe_to_stop",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A gate that is shut, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Red {
    pub gate: Gate,
    pub detail: String,
}

impl Red {
    pub fn new(gate: Gate, detail: impl Into<String>) -> Self {
        Self {
            gate,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Red {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.gate, self.detail)
    }
}

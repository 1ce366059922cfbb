//! A database node with the daemon beside it, as the log knows it, and its slot.

use serde::{Deserialize, Serialize};

use super::intent::{Begin, Intent, Which};
use super::observation::{Answer, Database};
use crate::base::digest::Digest;
use crate::base::ids::{Generation, MemberId, NodeName, PlanId};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub name: NodeName,
    pub member: MemberId,
    /// Where the database answers: `http://host:port`.
    pub address: String,
    /// Where the daemon's API answers.
    pub api: String,
    /// Where the member listener answers: `host:port`.
    pub peer: String,
    pub zone: Option<String>,
    /// The newest generation given; also after the intent was removed.
    pub generation: Generation,
    pub intent: Option<Intent>,
    /// Accepted begins since the host last answered its newest generation.
    pub open: Vec<Begin>,
    /// The answer to `generation`, and whether it acted past its second begin.
    pub answered: Option<Answered>,
    /// The newest report's number.
    pub sequence: u64,
    pub database: Database,
    pub slot: Option<Slot>,
    pub drifted: Option<String>,
    /// Of the next cluster version.
    #[cfg(feature = "next-version")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The right to be down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub plan: PlanId,
    /// The node served when this slot was taken.
    pub was_healthy: bool,
    /// What the database ran when the slot was taken: still that, and it was never touched.
    pub ran: Option<Digest>,
    pub since_run_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub answer: Answer,
    pub acted: bool,
}

impl Node {
    /// The begin of the newest generation, if it was accepted and is not answered.
    pub fn begun(&self, which: Which) -> Option<&Begin> {
        self.open
            .iter()
            .rfind(|begin| begin.which == which && begin.generation == self.generation)
    }

    /// Past the boundary: a second begin, of whatever generation, has no answer yet.
    pub fn past_boundary(&self) -> bool {
        self.open.iter().any(|begin| begin.which == Which::Second)
    }

    /// The newest generation is a take, a stage or a stand-down that the host has not answered.
    pub const fn is_unanswered(&self) -> bool {
        self.intent.is_some() && self.answered.is_none()
    }
}

//! How far one node of a plan is. An edge is a method named for its event; an impossible edge is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::spec::Binary;
use crate::base::failure::Class;

/// What a host does to a node, in order (SPEC §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    Staging,
    Draining,
    Flushing,
    BackingUp,
    Swapping,
    Restarting,
    Verifying,
    Rejoining,
    Soaking,
}

impl Step {
    pub const ALL: [Self; 9] = [
        Self::Staging,
        Self::Draining,
        Self::Flushing,
        Self::BackingUp,
        Self::Swapping,
        Self::Restarting,
        Self::Verifying,
        Self::Rejoining,
        Self::Soaking,
    ];

    /// The steps of a taken node, in order.
    pub const TAKEN: [Self; 8] = [
        Self::Draining,
        Self::Flushing,
        Self::BackingUp,
        Self::Swapping,
        Self::Restarting,
        Self::Verifying,
        Self::Rejoining,
        Self::Soaking,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Staging => "Staging",
            Self::Draining => "Draining",
            Self::Flushing => "Flushing",
            Self::BackingUp => "BackingUp",
            Self::Swapping => "Swapping",
            Self::Restarting => "Restarting",
            Self::Verifying => "Verifying",
            Self::Rejoining => "Rejoining",
            Self::Soaking => "Soaking",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Pending,
    Staging,
    Staged,
    /// Taken and not begun, or somewhere between Draining and Soaking.
    Updating {
        step: Option<Step>,
    },
    Updated,
    Failed {
        class: Class,
        detail: String,
    },
    RollingBack {
        step: Option<Step>,
    },
    RolledBack,
    Skipped {
        reason: String,
    },
    NeedsOperator {
        class: Class,
        detail: String,
    },
}

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub status: Status,
    /// `run` time of the last change.
    pub since_run_ms: u64,
    /// Where the node goes back to; fixed by preflight for the whole plan.
    pub rollback_target: Option<Binary>,
    /// Where a plan of kind rollback takes this node; `None` in an update, where the release says it.
    pub target: Option<Binary>,
    /// True once a first begin of this plan was accepted for the node.
    pub begun: bool,
}

/// The edge does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongEdge {
    pub from: String,
    pub event: String,
}

impl Status {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Staging => "Staging",
            Self::Staged => "Staged",
            Self::Updating { step: None } => "Taken",
            Self::Updating { step: Some(step) } => step.name(),
            Self::Updated => "Updated",
            Self::Failed { .. } => "Failed",
            Self::RollingBack { .. } => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Skipped { .. } => "Skipped",
            Self::NeedsOperator { .. } => "NeedsOperator",
        }
    }

    /// Staging begun on the host.
    pub fn stage(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::Pending | Self::Staging => Ok(Self::Staging),
            _ => Err(self.wrong("stage")),
        }
    }

    /// The new binary lies verified on the host.
    pub fn staged(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::Pending | Self::Staging => Ok(Self::Staged),
            _ => Err(self.wrong("staged")),
        }
    }

    /// Taken, or taken again.
    pub fn take(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::Staged | Self::Updating { .. } => Ok(Self::Updating { step: None }),
            _ => Err(self.wrong("take")),
        }
    }

    /// The host entered a step.
    pub fn enter(&self, step: Step) -> Result<Self, WrongEdge> {
        match self {
            Self::Pending | Self::Staging if step == Step::Staging => Ok(Self::Staging),
            Self::Updating { .. } if step != Step::Staging => {
                Ok(Self::Updating { step: Some(step) })
            }
            Self::RollingBack { .. } if step != Step::Staging => {
                Ok(Self::RollingBack { step: Some(step) })
            }
            _ => Err(self.wrong("enter")),
        }
    }

    /// The node runs the plan's binary, healthy, with the expected version.
    pub fn updated(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::Pending | Self::Staging | Self::Updating { .. } => Ok(Self::Updated),
            _ => Err(self.wrong("updated")),
        }
    }

    /// Put back before anything was swapped; it may be taken again.
    pub fn give_back(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::Updating { .. } => Ok(Self::Staged),
            _ => Err(self.wrong("give_back")),
        }
    }

    pub fn fail(&self, class: Class, detail: String) -> Result<Self, WrongEdge> {
        match self {
            Self::Pending
            | Self::Staging
            | Self::Staged
            | Self::Updating { .. }
            | Self::Updated => Ok(Self::Failed { class, detail }),
            _ => Err(self.wrong("fail")),
        }
    }

    /// Nothing more is tried by itself.
    pub fn need_operator(&self, class: Class, detail: String) -> Result<Self, WrongEdge> {
        match self {
            Self::Pending
            | Self::Staging
            | Self::Staged
            | Self::Updating { .. }
            | Self::Updated
            | Self::RollingBack { .. } => Ok(Self::NeedsOperator { class, detail }),
            _ => Err(self.wrong("need_operator")),
        }
    }

    /// Taken, or taken again, to go back to the rollback target.
    pub fn take_back(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::Failed { .. }
            | Self::Updated
            | Self::Updating { .. }
            | Self::RollingBack { .. } => Ok(Self::RollingBack { step: None }),
            _ => Err(self.wrong("take_back")),
        }
    }

    /// Runs the rollback target again.
    pub fn rolled_back(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::RollingBack { .. } | Self::Failed { .. } | Self::Updating { .. } => {
                Ok(Self::RolledBack)
            }
            _ => Err(self.wrong("rolled_back")),
        }
    }

    /// An operator, or the strategy, ends the plan's interest in the node.
    pub fn skip(&self, reason: String) -> Result<Self, WrongEdge> {
        match self {
            Self::Updated | Self::RolledBack | Self::Skipped { .. } => Err(self.wrong("skip")),
            _ => Ok(Self::Skipped { reason }),
        }
    }

    /// An operator asks for another try.
    pub fn retry(&self) -> Result<Self, WrongEdge> {
        match self {
            Self::Failed { .. } | Self::Skipped { .. } => Ok(Self::Pending),
            Self::NeedsOperator { class, detail } => Ok(Self::Failed {
                class: *class,
                detail: detail.clone(),
            }),
            _ => Err(self.wrong("retry")),
        }
    }

    fn wrong(&self, event: &str) -> WrongEdge {
        WrongEdge {
            from: self.name().to_owned(),
            event: event.to_owned(),
        }
    }
}

impl Progress {
    pub const fn new(run_ms: u64) -> Self {
        Self {
            status: Status::Pending,
            since_run_ms: run_ms,
            rollback_target: None,
            target: None,
            begun: false,
        }
    }
}

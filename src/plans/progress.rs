//! How far one node of a plan is. An edge is a method named for its event; an impossible edge is refused.

use crate::base::sabotage::Bug;
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

/// Every edge of a node's status machine: from, event, to, with the steps between Draining and Soaking as
/// one status. The diagram and the coverage come from here.
pub const EDGES: &[(&str, &str, &str)] = &[
    ("Pending", "stage", "Staging"),
    ("Pending", "staged", "Staged"),
    ("Staging", "staged", "Staged"),
    ("Pending", "updated", "Updated"),
    ("Staging", "updated", "Updated"),
    ("Staged", "take", "Updating"),
    ("Updating", "give_back", "Staged"),
    ("Updating", "updated", "Updated"),
    ("Updating", "take_back", "RollingBack"),
    ("Updated", "take_back", "RollingBack"),
    ("Failed", "take_back", "RollingBack"),
    ("Failed", "rolled_back", "RolledBack"),
    ("RollingBack", "rolled_back", "RolledBack"),
    ("Pending", "fail", "Failed"),
    ("Staging", "fail", "Failed"),
    ("Staged", "fail", "Failed"),
    ("Updating", "fail", "Failed"),
    ("Updated", "fail", "Failed"),
    ("Pending", "need_operator", "NeedsOperator"),
    ("Staging", "need_operator", "NeedsOperator"),
    ("Updating", "need_operator", "NeedsOperator"),
    ("Updated", "need_operator", "NeedsOperator"),
    ("RollingBack", "need_operator", "NeedsOperator"),
    ("Failed", "retry", "Pending"),
    ("Skipped", "retry", "Pending"),
    ("Pending", "skip", "Skipped"),
    ("Staging", "skip", "Skipped"),
    ("Staged", "skip", "Skipped"),
    ("Updating", "skip", "Skipped"),
    ("Failed", "skip", "Skipped"),
    ("RollingBack", "skip", "Skipped"),
    ("NeedsOperator", "skip", "Skipped"),
];

/// One node of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub status: Status,
    /// `run` time of the last change.
    pub since_run_ms: u64,
    /// Where the node goes back to; fixed for the plan by the last preflight before its first begin.
    pub rollback_target: Option<Binary>,
    /// Where a plan of kind rollback takes this node; `None` in an update, where the release says it.
    pub target: Option<Binary>,
    /// True once a first begin of this plan was accepted for the node.
    pub begun: bool,
    /// How far it got on its way forward. What it treads again, after it was given back, is no progress of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Reach>,
}

/// How far on the way forward: by the status in the order of the way, then by the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reach {
    Staging,
    Staged,
    Taken(Option<Step>),
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

    /// `None`: not on the way forward, or at its beginning.
    const fn reach(&self) -> Option<Reach> {
        match self {
            Self::Staging => Some(Reach::Staging),
            Self::Staged => Some(Reach::Staged),
            Self::Updating { step } => Some(Reach::Taken(*step)),
            _ => None,
        }
    }

    /// The status in the table of edges: the steps of a taken node are one.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Updating { .. } => "Updating",
            other => other.name(),
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
            Self::RollingBack { .. } | Self::Failed { .. } => Ok(Self::RolledBack),
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
            reached: None,
        }
    }

    /// Enters `status` at that time of `run`; true if the node never got so far.
    pub fn enter(&mut self, status: Status, run_ms: u64) -> bool {
        self.since_run_ms = run_ms;
        let reach = status.reach();
        let farther = reach.is_none() || reach > self.reached;
        if farther {
            self.reached = reach;
        }
        self.status = status;
        farther
    }

    /// Takes a preflight's word on where the node goes back to. A node that is tried again may run the plan's
    /// binary by then: once it was begun, what it said before stands.
    pub fn goes_back_to(&mut self, said: &Binary) -> &Binary {
        if !self.begun || Bug::WayBackMoves.is_planted() {
            self.rollback_target = None;
        }
        self.rollback_target.get_or_insert_with(|| said.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The table is what the methods do: every status meets every event.
    #[test]
    fn the_table_is_what_the_methods_do() {
        let (class, detail) = (Class::DrainFailed, String::new);
        let statuses = [
            Status::Pending,
            Status::Staging,
            Status::Staged,
            Status::Updating { step: None },
            Status::Updated,
            Status::Failed {
                class,
                detail: detail(),
            },
            Status::RollingBack { step: None },
            Status::RolledBack,
            Status::Skipped { reason: detail() },
            Status::NeedsOperator {
                class,
                detail: detail(),
            },
        ];
        let mut found = BTreeSet::new();
        for from in &statuses {
            let events = [
                ("stage", from.stage()),
                ("staged", from.staged()),
                ("take", from.take()),
                ("updated", from.updated()),
                ("give_back", from.give_back()),
                ("fail", from.fail(class, detail())),
                ("need_operator", from.need_operator(class, detail())),
                ("take_back", from.take_back()),
                ("rolled_back", from.rolled_back()),
                ("skip", from.skip(detail())),
                ("retry", from.retry()),
            ];
            for (event, to) in events {
                if let Some(to) = to.ok().filter(|to| to != from) {
                    found.insert((from.kind(), event, to.kind()));
                }
            }
        }
        assert_eq!(found, EDGES.iter().copied().collect::<BTreeSet<_>>());
    }
}

//! One rollout and its status machine. An edge is a method named for its event.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::progress::{self, Progress};
use super::spec::{Binary, Kind, Release};
use super::strategy::Strategy;
use crate::base::failure::Class;
use crate::base::ids::{NodeName, PlanId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    Forward,
    Back,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Pending,
    InProgress,
    /// Remembers which way it was going; `quorum_lost` when that is why, or happened meanwhile.
    Paused {
        of: Direction,
        quorum_lost: bool,
    },
    RollingBack,
    Completed,
    Failed,
    RolledBack,
    Cancelled,
}

/// Which nodes a rollback takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    All,
    Nodes(BTreeSet<NodeName>),
}

/// Why a plan turned, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub scope: Scope,
    pub class: Class,
    pub since_run_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: PlanId,
    pub kind: Kind,
    /// `None` in a plan of kind rollback: there every node has its own target.
    pub release: Option<Release>,
    /// The plan that this one takes back.
    pub takes_back: Option<PlanId>,
    /// As asked; `None` = all nodes registered when it is executed.
    pub asked_nodes: Option<BTreeSet<NodeName>>,
    pub strategy: Strategy,
    /// Grows with every change an operator makes; proposals carry the one they rest on.
    pub revision: u64,
    pub creator: String,
    pub created_wall_ms: u64,
    pub executed_wall_ms: Option<u64>,
    pub ended_wall_ms: Option<u64>,
    pub status: Status,
    /// Set by cancel: the nodes in hand are put back or finished, then the plan is Cancelled.
    pub cancelling: bool,
    /// Set when it turned; kept when it ended.
    pub turn: Option<Turn>,
    /// Set when quorum was lost: when `run` reaches it, everything is taken back.
    pub notice_until_run_ms: Option<u64>,
    pub progressed_run_ms: u64,
    pub nodes: BTreeMap<NodeName, Progress>,
    /// One sentence: why it stands where it stands.
    pub detail: Option<String>,
}

impl Status {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Paused { .. } => "Paused",
            Self::RollingBack => "RollingBack",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::RolledBack => "RolledBack",
            Self::Cancelled => "Cancelled",
        }
    }

    pub const fn is_live(&self) -> bool {
        matches!(
            self,
            Self::InProgress | Self::Paused { .. } | Self::RollingBack
        )
    }

    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::RolledBack | Self::Cancelled
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The edge does not exist from this status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongStatus {
    pub status: String,
    pub event: String,
}

/// Every edge of the status machine: from, event, to. The diagram and the coverage come from here.
pub const EDGES: &[(&str, &str, &str)] = &[
    ("Pending", "execute", "InProgress"),
    ("Pending", "cancelled", "Cancelled"),
    ("InProgress", "pause", "Paused"),
    ("InProgress", "turn", "RollingBack"),
    ("InProgress", "complete", "Completed"),
    ("InProgress", "fail", "Failed"),
    ("InProgress", "cancelled", "Cancelled"),
    ("Paused", "resume", "InProgress"),
    ("Paused", "resume", "RollingBack"),
    ("Paused", "turn", "RollingBack"),
    ("Paused", "fail", "Failed"),
    ("Paused", "cancelled", "Cancelled"),
    ("RollingBack", "pause", "Paused"),
    ("RollingBack", "rolled_back", "RolledBack"),
    ("RollingBack", "fail", "Failed"),
];

impl Plan {
    pub fn execute(&mut self) -> Result<(), WrongStatus> {
        self.edge(
            "execute",
            |status| matches!(status, Status::Pending),
            Status::InProgress,
        )
    }

    pub fn pause(&mut self, quorum_lost: bool) -> Result<(), WrongStatus> {
        let of = match self.status {
            Status::InProgress => Direction::Forward,
            Status::RollingBack => Direction::Back,
            _ => return Err(self.wrong("pause")),
        };
        self.status = Status::Paused { of, quorum_lost };
        self.notice_until_run_ms = None;
        Ok(())
    }

    pub fn resume(&mut self, direction: Direction) -> Result<(), WrongStatus> {
        let to = match direction {
            Direction::Forward => Status::InProgress,
            Direction::Back => Status::RollingBack,
        };
        self.edge(
            "resume",
            |status| matches!(status, Status::Paused { .. }),
            to,
        )
    }

    /// Starts to take nodes back. A wider scope replaces a narrower one.
    pub fn turn(&mut self, turn: Turn) -> Result<(), WrongStatus> {
        if !self.status.is_live() {
            return Err(self.wrong("turn"));
        }
        self.turn = Some(match (self.turn.take(), turn) {
            (
                Some(Turn {
                    scope: Scope::Nodes(mut had),
                    ..
                }),
                Turn {
                    scope: Scope::Nodes(more),
                    class,
                    since_run_ms,
                },
            ) => {
                had.extend(more);
                Turn {
                    scope: Scope::Nodes(had),
                    class,
                    since_run_ms,
                }
            }
            (
                Some(
                    old @ Turn {
                        scope: Scope::All, ..
                    },
                ),
                _,
            ) => old,
            (_, new) => new,
        });
        self.notice_until_run_ms = None;
        self.cancelling = false;
        self.status = Status::RollingBack;
        Ok(())
    }

    pub fn complete(&mut self) -> Result<(), WrongStatus> {
        self.edge(
            "complete",
            |status| matches!(status, Status::InProgress),
            Status::Completed,
        )
    }

    pub fn fail(&mut self, detail: String) -> Result<(), WrongStatus> {
        self.edge("fail", Status::is_live, Status::Failed)?;
        self.detail = Some(detail);
        Ok(())
    }

    pub fn rolled_back(&mut self) -> Result<(), WrongStatus> {
        self.edge(
            "rolled_back",
            |status| matches!(status, Status::RollingBack),
            Status::RolledBack,
        )
    }

    pub fn cancelled(&mut self) -> Result<(), WrongStatus> {
        let may = |status: &Status| {
            matches!(
                status,
                Status::Pending
                    | Status::InProgress
                    | Status::Paused {
                        of: Direction::Forward,
                        ..
                    }
            )
        };
        self.edge("cancelled", may, Status::Cancelled)
    }

    /// The binary this plan puts on a node.
    pub fn target_of(&self, node: &NodeName) -> Option<Binary> {
        let own = self
            .nodes
            .get(node)
            .and_then(|progress| progress.target.clone());
        own.or_else(|| self.release.as_ref().map(Release::binary))
    }

    /// It goes forward to where its nodes came from.
    pub fn is_way_back(&self) -> bool {
        self.kind == Kind::Rollback && self.goes_forward()
    }

    /// True while the plan may disrupt further nodes with its release.
    pub fn goes_forward(&self) -> bool {
        self.status == Status::InProgress && !self.cancelling && self.notice_until_run_ms.is_none()
    }

    /// True when the rollback now running, or paused, is to take this node back.
    pub fn takes_back(&self, node: &NodeName) -> bool {
        let turned = matches!(
            self.status,
            Status::RollingBack
                | Status::Paused {
                    of: Direction::Back,
                    ..
                }
        );
        turned
            && self.turn.as_ref().is_some_and(|turn| match &turn.scope {
                Scope::All => true,
                Scope::Nodes(nodes) => nodes.contains(node),
            })
    }

    pub fn all_staged(&self) -> bool {
        self.nodes.values().all(|node| {
            !matches!(
                node.status,
                progress::Status::Pending | progress::Status::Staging
            )
        })
    }

    fn edge(
        &mut self,
        event: &str,
        may: impl Fn(&Status) -> bool,
        to: Status,
    ) -> Result<(), WrongStatus> {
        if !may(&self.status) {
            return Err(self.wrong(event));
        }
        self.status = to;
        if self.status.is_final() {
            self.cancelling = false;
            self.notice_until_run_ms = None;
        }
        Ok(())
    }

    fn wrong(&self, event: &str) -> WrongStatus {
        WrongStatus {
            status: self.status.name().to_owned(),
            event: event.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(status: Status) -> Plan {
        Plan {
            id: PlanId(1),
            kind: Kind::Rollback,
            release: None,
            takes_back: None,
            asked_nodes: None,
            strategy: Strategy::default(),
            revision: 1,
            creator: String::new(),
            created_wall_ms: 0,
            executed_wall_ms: None,
            ended_wall_ms: None,
            status,
            cancelling: false,
            turn: None,
            notice_until_run_ms: None,
            progressed_run_ms: 0,
            nodes: BTreeMap::new(),
            detail: None,
        }
    }

    /// The table is what the methods do: every status meets every event.
    #[test]
    fn the_table_is_what_the_methods_do() {
        let paused = |of| Status::Paused {
            of,
            quorum_lost: false,
        };
        let statuses = [
            Status::Pending,
            Status::InProgress,
            paused(Direction::Forward),
            paused(Direction::Back),
            Status::RollingBack,
            Status::Completed,
            Status::Failed,
            Status::RolledBack,
            Status::Cancelled,
        ];
        type Event = (&'static str, fn(&mut Plan) -> Result<(), WrongStatus>);
        let events: [Event; 9] = [
            ("execute", Plan::execute),
            ("pause", |plan| plan.pause(false)),
            ("resume", |plan| plan.resume(Direction::Forward)),
            ("resume", |plan| plan.resume(Direction::Back)),
            ("turn", |plan| {
                plan.turn(Turn {
                    scope: Scope::All,
                    class: Class::QuorumLost,
                    since_run_ms: 0,
                })
            }),
            ("complete", Plan::complete),
            ("fail", |plan| plan.fail(String::new())),
            ("rolled_back", Plan::rolled_back),
            ("cancelled", Plan::cancelled),
        ];
        let mut found = BTreeSet::new();
        for from in &statuses {
            for (event, act) in events {
                let mut plan = plan(from.clone());
                if act(&mut plan).is_ok() && plan.status != *from {
                    found.insert((from.name(), event, plan.status.name()));
                }
            }
        }
        assert_eq!(found, EDGES.iter().copied().collect::<BTreeSet<_>>());
    }

    #[test]
    fn what_is_final_never_changes() {
        for status in [
            Status::Completed,
            Status::Failed,
            Status::RolledBack,
            Status::Cancelled,
        ] {
            let mut plan = plan(status.clone());
            assert!(plan.pause(false).is_err() && plan.fail(String::new()).is_err());
            assert!(
                plan.turn(Turn {
                    scope: Scope::All,
                    class: Class::QuorumLost,
                    since_run_ms: 0
                })
                .is_err()
            );
            assert_eq!(plan.status, status);
        }
    }
}

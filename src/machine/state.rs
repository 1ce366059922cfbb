//! The whole replicated state. Rows on disk mirror its parts; `touched` says which changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::command::{Change, Settings};
use super::refusal::Refusal;
use super::submission::RequestKey;
use crate::access::principal::Principal;
use crate::access::token::Token;
use crate::base::digest::Digest;
use crate::base::ids::{MemberId, NodeName, PlanId};
use crate::base::version;
use crate::fleet::node::Node;
use crate::plans::plan::{Plan, Status};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub head: Head,
    pub nodes: BTreeMap<NodeName, Node>,
    pub plans: BTreeMap<PlanId, Plan>,
    pub tokens: BTreeMap<String, Token>,
    pub requests: BTreeMap<(Principal, String), Request>,
    /// Parts changed by the entry being applied; taken by whoever writes the rows.
    pub touched: BTreeSet<Part>,
}

/// Everything small; one row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub cluster: Option<Cluster>,
    pub clock: Clock,
    pub term: Term,
    pub membership: Membership,
    pub next_plan: u64,
    pub next_member: u64,
    pub applied: u64,
    pub journal: JournalHead,
    #[serde(default)]
    pub version: version::Cluster,
    /// Of the next cluster version.
    #[cfg(feature = "next-version")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beats: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: String,
    pub incarnation: u64,
    pub settings: Settings,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Stands nearly still through outages.
    pub run_ms: u64,
    /// Never goes back.
    pub wall_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    pub number: u64,
    pub leader: Option<MemberId>,
    pub opened: bool,
    pub handoff_tries: u32,
    /// Three tries failed, or there was no target: the leader's node may be taken all the same.
    pub handoff_failed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    pub voters: BTreeSet<MemberId>,
    pub members: BTreeSet<MemberId>,
    pub joint: bool,
    /// A change that is announced and neither committed nor given up.
    pub opened: Option<Change>,
    /// Learners by an operator's word: they get their vote back by another, not by themselves.
    #[serde(default)]
    pub demoted: BTreeSet<MemberId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHead {
    pub last_index: u64,
    pub count: u64,
    pub chain: Digest,
}

/// A write that came with an idempotency key, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub key: RequestKey,
    pub wall_ms: u64,
    pub result: Result<Reply, Refusal>,
}

/// What applying a command gives its proposer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Done,
    /// The repeated act changed nothing.
    Unchanged,
    Plan {
        id: PlanId,
        revision: u64,
    },
    Joined {
        member: MemberId,
        incarnation: u64,
        cluster: String,
    },
    Token {
        id: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Node(NodeName),
    Plan(PlanId),
    Token(String),
    Request(Principal, String),
}

impl Default for JournalHead {
    fn default() -> Self {
        Self {
            last_index: 0,
            count: 0,
            chain: Digest::of(b"aegis-updates journal"),
        }
    }
}

impl Membership {
    pub const fn is_changing(&self) -> bool {
        self.joint || self.opened.is_some()
    }
}

impl State {
    /// The plan that is live, if one is. At most one is: `execute` and `rollback` refuse a second.
    pub fn live_plan(&self) -> Option<&Plan> {
        self.plans.values().rfind(|plan| plan.status.is_live())
    }

    /// A deadline in `run` time is pending: a plan moves, a notice runs, or a node is in hand. Then a tick is
    /// committed each second.
    pub fn waits_for_run(&self) -> bool {
        let Some(plan) = self.live_plan() else {
            return false;
        };
        let moving = matches!(plan.status, Status::InProgress | Status::RollingBack);
        moving
            || plan.notice_until_run_ms.is_some()
            || self.nodes.values().any(|node| node.slot.is_some())
    }

    pub fn plan(&self, id: PlanId) -> Result<&Plan, Refusal> {
        self.plans.get(&id).ok_or(Refusal::UnknownPlan { plan: id })
    }

    pub fn plan_mut(&mut self, id: PlanId) -> Result<&mut Plan, Refusal> {
        let plan = self
            .plans
            .get_mut(&id)
            .ok_or(Refusal::UnknownPlan { plan: id })?;
        self.touched.insert(Part::Plan(id));
        Ok(plan)
    }

    pub fn node(&self, name: &NodeName) -> Result<&Node, Refusal> {
        self.nodes.get(name).ok_or_else(|| Refusal::UnknownNode {
            node: name.to_string(),
        })
    }

    pub fn node_mut(&mut self, name: &NodeName) -> Result<&mut Node, Refusal> {
        let node = self
            .nodes
            .get_mut(name)
            .ok_or_else(|| Refusal::UnknownNode {
                node: name.to_string(),
            })?;
        self.touched.insert(Part::Node(name.clone()));
        Ok(node)
    }

    pub fn node_of_member(&self, member: MemberId) -> Option<&Node> {
        self.nodes.values().find(|node| node.member == member)
    }

    /// Nodes that hold a slot, but for `except`.
    pub fn slots_besides<'a>(&'a self, except: &'a NodeName) -> impl Iterator<Item = &'a Node> {
        self.nodes
            .values()
            .filter(move |node| node.slot.is_some() && node.name != *except)
    }

    /// True while fewer other nodes than `max` hold a slot as healthy ones: healthy when they got it, or when they
    /// were taken last. A node that got its slot for being unhealthy has no place among them until it is taken so.
    pub fn budget_has_room(&self, except: &NodeName, max: u32) -> bool {
        let counts = |node: &&Node| {
            let got = node.slot.as_ref().is_some_and(|slot| slot.was_healthy);
            let intent = node.intent.as_ref();
            let taken = intent.and_then(|intent| intent.taken.as_ref());
            got || taken.is_some_and(|taken| taken.was_healthy)
        };
        self.slots_besides(except).filter(counts).count() < max as usize
    }

    /// Nodes that hold no slot, but for `except`: those a gate may count on.
    pub fn slots_free_nodes<'a>(&'a self, except: &'a NodeName) -> impl Iterator<Item = &'a Node> {
        self.nodes
            .values()
            .filter(move |node| node.slot.is_none() && node.name != *except)
    }

    pub fn run_ms(&self) -> u64 {
        self.head.clock.run_ms
    }
}

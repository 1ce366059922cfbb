//! Everything that can be proposed to the log. The list is closed; what each does is in `handle`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::access::token::Grant;
use crate::base::digest::Digest;
use crate::base::failure::Class;
use crate::base::ids::{Generation, MemberId, NodeName, PlanId};
use crate::base::version;
use crate::fleet::intent::{Begin, Evidence};
use crate::fleet::observation::Observation;
use crate::plans::plan::Direction;
use crate::plans::spec::Spec;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    // Operators.
    CreatePlan(Spec),
    Execute {
        plan: PlanId,
        revision: Option<u64>,
    },
    Pause {
        plan: PlanId,
    },
    Resume {
        plan: PlanId,
        direction: Option<Direction>,
    },
    Cancel {
        plan: PlanId,
    },
    /// Turns a live plan; of a final one it creates and starts a plan of kind rollback.
    Rollback {
        plan: PlanId,
        /// Only these of a final plan's nodes; `None`: all of them.
        nodes: Option<BTreeSet<NodeName>>,
    },
    RetryNode {
        plan: PlanId,
        node: NodeName,
    },
    SkipNode {
        plan: PlanId,
        node: NodeName,
    },
    /// `heard`: the leader heard the host within `RECONNECT_GRACE`.
    ReleaseSlot {
        node: NodeName,
        host_is_off: bool,
        heard: bool,
    },
    ClearDrift {
        node: NodeName,
    },
    CreateToken {
        id: String,
        hash: Digest,
        grants: Grant,
        ttl_ms: u64,
    },
    RevokeToken {
        id: String,
    },
    /// Refuses takes from here until the change is committed or given up.
    OpenMembership {
        change: Change,
    },
    /// Ends what `OpenMembership` opened. A removed node's slot, if any, is freed with it.
    CloseMembership {
        done: bool,
    },
    /// Raises the cluster version.
    Finalize(Raise),
    /// Of the next cluster version.
    #[cfg(feature = "next-version")]
    Annotate(Annotation),

    // Members.
    Form(Founder),
    Join(Joiner),
    Observe(Observation),
    Begin {
        node: NodeName,
        begin: Begin,
    },

    // The leader.
    /// The first command of a term. `idle_ms`: time since its proposer appended its newest entry that is
    /// not a term's first; `None` when it never appended one.
    OpenTerm {
        idle_ms: Option<u64>,
    },
    /// `previous_ms`: how long this leader's previous tick took from append to commit.
    Tick {
        previous_ms: u64,
        /// Of the next cluster version: a number that grows.
        #[cfg(feature = "next-version")]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beat: Option<u64>,
    },
    Take(Take),
    StandDown {
        node: NodeName,
        after: Generation,
    },
    HandoffFailed {
        target: Option<MemberId>,
        reason: String,
    },
    /// The host did not answer in time, or its `Updated` node is sick: the node has failed.
    FailNode(NodeFailure),
    /// The strategy's `on_unreachable`.
    GiveUpNode {
        plan: PlanId,
        node: NodeName,
        after: Generation,
    },
    /// Fewer databases are known to serve than the quorum needs, longer than the grace.
    LoseQuorum {
        plan: PlanId,
        lost: Vec<NodeName>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Promote {
        node: NodeName,
    },
    Demote {
        node: NodeName,
    },
    Add {
        member: MemberId,
    },
    /// `reachable`: the leader heard its host within `RECONNECT_GRACE`.
    Remove {
        node: NodeName,
        reachable: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// `None`: the newest that any member supports.
    pub to: Option<version::Cluster>,
    /// What each member's daemon supports, of those that the leader heard within `HEALTH_AGE_MAX`.
    pub supported: BTreeMap<NodeName, version::Supported>,
}

#[cfg(feature = "next-version")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    pub node: NodeName,
    pub note: String,
}

/// The first node of a new cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founder {
    pub cluster: String,
    pub node: NodeName,
    pub member: MemberId,
    pub address: String,
    pub api: String,
    pub peer: String,
    pub zone: Option<String>,
    pub settings: Settings,
    /// The first administrator's token.
    pub token: Option<(String, Digest)>,
}

/// What all members must agree on. Set when the cluster is formed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub quorum_loss_grace_ms: u64,
    pub url_allow: Vec<String>,
    pub voters_max: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joiner {
    /// Of the join token's secret.
    pub token: Digest,
    /// Chosen at random by the joiner and kept on its disk: the same joiner may retry.
    pub nonce: Digest,
    pub node: NodeName,
    pub address: String,
    pub api: String,
    pub peer: String,
    pub zone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    pub plan: PlanId,
    /// The plan's revision the decision rests on.
    pub revision: u64,
    pub node: NodeName,
    /// The node's newest generation when this was decided.
    pub after: Generation,
    pub purpose: Purpose,
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFailure {
    pub plan: PlanId,
    pub node: NodeName,
    pub after: Generation,
    pub class: Class,
    pub detail: String,
    /// The `run` time of the node's last change that the decision saw: one that moved since is judged anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_run_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    Update,
    /// `marked`: the node is unhealthy and needs no free slot.
    Rollback {
        marked: bool,
    },
}

//! What the faces need of the replicated core, wherever a request arrives. No HTTP, no Raft types.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::access::principal::Principal;
use crate::base::digest::Digest;
use crate::base::ids::{MemberId, NodeName};
use crate::base::version;
use crate::decision::waiting::Wait;
use crate::fleet::view::Sample;
use crate::journal::record::Record;
use crate::machine::command::Command;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::machine::submission::RequestKey;
use crate::plans::gates::Red;
use crate::plans::spec::Spec;

/// The replicated core as this member reaches it. Every call ends within the member's own timeouts.
pub trait Service: Send + Sync + 'static {
    /// Proposes a client's command; a follower carries it to the leader. What only the leader can
    /// know (`ReleaseSlot::heard`) it fills in itself, whatever the caller wrote.
    fn submit(&self, call: Call) -> BoxFuture<'_, Result<Reply, Denied>>;

    fn read(&self, consistency: Consistency) -> BoxFuture<'_, Result<Reading, Unavailable>>;

    /// What the live plan waits for, asked of the leader; empty when it waits for nothing.
    fn explain(&self) -> BoxFuture<'_, Result<Vec<Wait>, Unavailable>>;

    /// What executing this would meet now. Changes nothing.
    fn preview(&self, spec: Spec) -> BoxFuture<'_, Result<Preview, Denied>>;

    /// What the leader heard of every host. Without a leader: what this member knows, all unknown.
    fn hosts(&self) -> BoxFuture<'_, BTreeMap<NodeName, HostView>>;

    /// How long a client waits at most while no quorum answers.
    fn answer_within(&self) -> Duration;

    /// This member's own view; no message is sent.
    fn consensus(&self) -> Consensus;

    fn identity(&self) -> Identity;

    /// Records after this place, oldest first, from this member's own store.
    fn journal(
        &self,
        after: Option<Place>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>, Unavailable>>;

    /// The applied index of this member; every change wakes the receivers.
    fn applied(&self) -> watch::Receiver<u64>;

    /// Hands leadership to this node's member and waits until it leads.
    fn transfer_leader(
        &self,
        actor: Principal,
        reason: Option<String>,
        to: NodeName,
    ) -> BoxFuture<'_, Result<Reply, Denied>>;

    /// One membership change, from its opening to its end.
    fn change_member(
        &self,
        actor: Principal,
        reason: Option<String>,
        node: NodeName,
        act: MemberAct,
    ) -> BoxFuture<'_, Result<Reply, Denied>>;

    fn readiness(&self) -> Readiness;

    /// This host's own wall clock.
    fn wall_ms(&self) -> u64;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub actor: Principal,
    pub reason: Option<String>,
    pub request: Option<RequestKey>,
    pub command: Command,
}

/// A journal record's place: log index, and number within the entry.
pub type Place = (u64, u32);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consistency {
    #[default]
    Linearizable,
    /// This member's own state, also without quorum.
    Local,
}

/// A state that can be looked at for as long as one likes.
#[derive(Debug, Clone)]
pub struct Reading {
    pub state: Arc<State>,
    /// Time since this member last heard of a leader; `None` after a linearizable read.
    pub stale_ms: Option<u64>,
}

/// Why the core could not answer. Except for `OutcomeUnknown` nothing was appended, for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    QuorumLost,
    NoLeader,
    OutcomeUnknown,
    ShuttingDown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    Refused(Refusal),
    Unavailable(Unavailable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberAct {
    Promote,
    Demote,
    Remove,
}

/// What executing a specification would meet now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Nodes in the order in which they would be taken, each list a wave.
    pub waves: Vec<Vec<PreviewNode>>,
    /// The node to which leadership would go before the leader's own is taken.
    pub handoff_to: Option<NodeName>,
    /// Healthy databases that must stay while one is down.
    pub min_available: usize,
    pub red: Vec<Red>,
    /// What creation or execution would answer now.
    pub refused: Option<Refusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewNode {
    pub node: NodeName,
    pub leads: bool,
    pub running: Option<String>,
    /// The node's database has the digest already and would not be restarted.
    pub already_there: bool,
    /// `None`: its host was not reached.
    pub disk_free_bytes: Option<u64>,
    /// The artifact answers from that host: its size, or why not. `None`: its host was not reached.
    pub artifact: Option<Result<u64, String>>,
}

/// A host as its leader heard it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    pub reachable: bool,
    /// Age of the newest sample; `None` when this leader has none.
    pub age_ms: Option<u64>,
    pub sample: Option<Sample>,
    /// The leader's own look at the database of a silent host.
    pub probed: Option<bool>,
    /// The cluster versions that its daemon supports; `None`: it was not heard, or does not say.
    #[serde(default)]
    pub supports: Option<version::Supported>,
}

/// What consensus says now, as this member sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consensus {
    pub leader: Option<MemberId>,
    pub term: u64,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
    pub role: String,
    pub voters: Vec<MemberId>,
    pub learners: Vec<MemberId>,
    /// Only a leader knows it.
    pub quorum_ack_age_ms: Option<u64>,
    pub applied: u64,
    pub changing: bool,
}

/// Who this member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub cluster: String,
    pub node: NodeName,
    pub member: MemberId,
    /// SHA-256 of the certificate of the cluster's CA; join tokens carry it.
    pub ca_fingerprint: Digest,
    /// Where a joiner reaches this member: `host:port`.
    pub peer: String,
    /// True while a listener beyond loopback speaks plaintext.
    pub insecure_plaintext: bool,
}

/// The probe listener's whole knowledge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The database of this host may be sent requests.
    pub database_ready: bool,
    /// This daemon serves: its store is open and its member has not stopped.
    pub alive: bool,
    /// This member follows or leads, and has applied what it knows to be committed.
    pub member_ready: bool,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QuorumLost => "the cluster has no quorum; nothing was changed",
            Self::NoLeader => "the cluster has no leader at this moment; nothing was changed",
            Self::OutcomeUnknown => "the request may or may not have taken effect",
            Self::ShuttingDown => "this member is shutting down; nothing was changed",
        })
    }
}

impl std::error::Error for Unavailable {}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unavailable> for Denied {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

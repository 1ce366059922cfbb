//! The messages between members, and their encoding: MessagePack with field names, so that members of
//! two versions understand each other. No message is acted on here.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::access::principal::Principal;
use crate::base::ids::{MemberId, NodeName};
use crate::base::packed;
use crate::base::version;
use crate::control::service::{Denied, HostView, MemberAct, Preview, PreviewNode, Unavailable};
use crate::decision::waiting::Wait;
use crate::fleet::intent::Begin;
use crate::fleet::view::Sample;
use crate::machine::command::{Command, Joiner};
use crate::machine::refusal::Refusal;
use crate::machine::state::Reply;
use crate::machine::submission::RequestKey;
use crate::plans::spec::Spec;

pub const SUBMIT: &str = "/peer/submit";
pub const BEGIN: &str = "/peer/begin";
pub const SAMPLE: &str = "/peer/sample";
pub const EXPLAIN: &str = "/peer/explain";
pub const HOSTS: &str = "/peer/hosts";
pub const PREVIEW: &str = "/peer/preview";
pub const LOOK: &str = "/peer/look";
pub const STEER: &str = "/peer/steer";

/// A write on its way to the leader.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubmitAsk {
    pub actor: Principal,
    pub reason: Option<String>,
    pub request: Option<RequestKey>,
    pub command: Command,
    /// The asker waits no longer.
    pub within_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum SubmitAnswer {
    Applied(Written),
    /// In no log, for certain.
    Never(Unavailable),
    Unknown,
}

/// A write that was committed and applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub index: u64,
    pub term: u64,
    pub result: Result<Reply, Refusal>,
}

/// A host asks whether it may begin.
#[derive(Debug, Serialize, Deserialize)]
pub struct BeginAsk {
    pub node: NodeName,
    pub begin: Begin,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum BeginAnswer {
    /// It lies committed at this index.
    Granted { index: u64 },
    /// A gate is shut at this moment, or the log does not admit it.
    Refused(Refusal),
    /// No leader was reached, or the outcome is unknown: a new attempt may be made.
    Unanswered(Unavailable),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SampleAsk {
    pub node: NodeName,
    pub sample: Sample,
    /// The cluster versions that this host's daemon supports.
    #[serde(default)]
    pub supports: Option<version::Supported>,
    /// This member's wall clock as it sent this; older daemons do not say.
    #[serde(default)]
    pub wall_ms: Option<u64>,
}

/// What a host learns from the leader that took its sample: whether a majority stood behind it lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleAnswer {
    pub leads: bool,
    pub quorum_ack_age_ms: Option<u64>,
}

/// The leader's answer to whoever wants to know something that only it knows.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<T> {
    Known(T),
    NotLeader,
}

pub type ExplainAnswer = Answer<Vec<Wait>>;
pub type HostsAnswer = Answer<BTreeMap<NodeName, HostView>>;
pub type PreviewAnswer = Answer<Result<Preview, Denied>>;

#[derive(Debug, Serialize, Deserialize)]
pub struct PreviewAsk {
    pub spec: Spec,
}

/// One host looks at the artifact and at its own disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct LookAsk {
    pub url: String,
}

/// What one host found: the parts of [`PreviewNode`] that only it can know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    pub disk_free_bytes: Option<u64>,
    pub artifact: Option<Result<u64, String>>,
}

impl Look {
    pub fn put_into(self, node: &mut PreviewNode) {
        node.disk_free_bytes = self.disk_free_bytes;
        node.artifact = self.artifact;
    }
}

/// A change of leader or of membership, done by the leader.
#[derive(Debug, Serialize, Deserialize)]
pub struct SteerAsk {
    pub actor: Principal,
    pub reason: Option<String>,
    pub act: Steer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Steer {
    Transfer { to: NodeName },
    Change { node: NodeName, act: MemberAct },
}

pub type SteerAnswer = Answer<Result<Reply, Denied>>;

/// A host asks to join: what the log should know of it, and a signing request for its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinAsk {
    pub joiner: Joiner,
    pub csr_pem: String,
    #[serde(default)]
    pub supports: Option<version::Supported>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum JoinAnswer {
    Admitted(Admitted),
    Refused(Refusal),
    Unanswered(Unavailable),
    /// This member does not hold the CA's key, and could not reach the one that does.
    NoAuthority(String),
}

/// All that a new member needs to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    pub cluster: String,
    pub incarnation: u64,
    pub member: MemberId,
    pub certificate_pem: String,
    pub authority_pem: String,
}

pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec_named(value).map_err(|error| format!("a message cannot be written: {error}"))
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    packed::decode(bytes).map_err(|error| format!("a message cannot be read: {error}"))
}

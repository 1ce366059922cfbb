//! Every answer that is not about plans.

use serde_json::Value;
use utoipa::ToSchema;

use super::plans::Step;
use super::texts::{Name, PlanId, Sha256};

/// Every answer that is no success.
#[derive(ToSchema)]
pub struct Problem {
    /// Always false.
    pub success: bool,
    /// One sentence.
    pub error: String,
    /// Stable, snake_case.
    #[schema(pattern = "^[a-z0-9_]+$")]
    pub code: String,
    #[schema(value_type = Object)]
    pub details: Value,
    /// What to do.
    pub remedy: String,
}

#[derive(ToSchema)]
pub struct Versions {
    pub success: bool,
    pub updater_version: String,
    /// The node that answers.
    pub node: Name,
    pub nodes: Vec<NodeVersion>,
    pub agree: bool,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct NodeVersion {
    pub node_id: Name,
    pub name: Name,
    pub member: u64,
    pub version: Option<String>,
    pub binary_hash: Option<Sha256>,
    pub reachable: bool,
    pub age_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct Nodes {
    pub success: bool,
    pub nodes: Vec<Node>,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct NodeAnswer {
    pub success: bool,
    pub node: Node,
    pub stale_ms: Option<u64>,
}

/// What the log knows of a host, and what the leader heard of it last.
#[derive(ToSchema)]
pub struct Node {
    pub node: Name,
    pub member: u64,
    pub zone: Option<String>,
    pub address: String,
    pub api: String,
    pub leads: bool,
    pub voter: bool,
    pub reachable: bool,
    pub age_ms: Option<u64>,
    pub healthy: Option<bool>,
    pub ready: Option<bool>,
    pub drained: Option<bool>,
    pub step: Option<Step>,
    pub disk_free_bytes: Option<u64>,
    pub version: Option<String>,
    pub digest: Option<Sha256>,
    pub installed: Option<Sha256>,
    pub in_hand: bool,
    pub in_hand_of: Option<PlanId>,
    pub doing: Option<String>,
    pub drifted: Option<String>,
}

/// False: it was so already.
#[derive(ToSchema)]
pub struct Done {
    pub success: bool,
    pub changed: bool,
}

#[derive(ToSchema)]
pub struct Cluster {
    pub success: bool,
    pub cluster: String,
    pub incarnation: Option<u64>,
    pub settings: Option<Settings>,
    pub leader: Option<Name>,
    pub leader_member: Option<u64>,
    pub term: u64,
    pub voters: Vec<u64>,
    pub learners: Vec<u64>,
    pub changing: bool,
    pub asked: Asked,
    /// The cluster version that was agreed on.
    pub version: u32,
    /// Only where it is asked for: `?digest=true`.
    pub state: Option<StateDigest>,
    pub live_plan: Option<PlanId>,
    pub run_ms: u64,
    pub journal: JournalHead,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct Settings {
    pub quorum_loss_grace_ms: u64,
    pub url_allow: Vec<String>,
    pub voters_max: u64,
}

/// The member that answers.
#[derive(ToSchema)]
pub struct Asked {
    pub node: Name,
    pub member: u64,
    pub role: String,
    pub applied: u64,
    pub quorum_ack_age_ms: Option<u64>,
    pub insecure_plaintext: bool,
    pub supports: Supported,
}

/// The cluster versions that a daemon supports.
#[derive(ToSchema)]
pub struct Supported {
    pub oldest: u32,
    pub newest: u32,
}

/// Equal on members that show the same index.
#[derive(ToSchema)]
pub struct StateDigest {
    pub index: u64,
    pub digest: Option<Sha256>,
}

#[derive(ToSchema)]
pub struct Finalized {
    pub success: bool,
    pub changed: bool,
    pub version: u32,
}

#[derive(ToSchema)]
pub struct JournalHead {
    pub last_index: u64,
    pub count: u64,
    pub chain: Sha256,
}

#[derive(ToSchema)]
pub struct Members {
    pub success: bool,
    pub members: Vec<Member>,
    pub changing: bool,
    pub version: u32,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct Member {
    pub node: Name,
    pub member: u64,
    pub peer: String,
    pub api: String,
    pub zone: Option<String>,
    pub role: MemberRole,
    pub leads: bool,
    /// Null: its daemon was not heard.
    pub supports: Option<Supported>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum MemberRole {
    Voter,
    Learner,
}

#[derive(ToSchema)]
pub struct Journal {
    pub success: bool,
    /// Oldest first.
    pub records: Vec<JournalRecord>,
    pub next_cursor: Option<super::texts::Place>,
}

#[derive(ToSchema)]
pub struct JournalRecord {
    pub index: u64,
    pub ordinal: u32,
    pub term: u64,
    pub at: Option<String>,
    pub run_ms: u64,
    pub actor: String,
    pub reason: Option<String>,
    /// By its name, with its fields.
    pub fact: Value,
    /// SHA-256 over the chain of the record before and this record.
    pub chain: Sha256,
}

#[derive(ToSchema)]
pub struct Tokens {
    pub success: bool,
    pub tokens: Vec<Token>,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct Token {
    pub id: String,
    pub grants: Grants,
    pub role: Option<Role>,
    pub expires_at: Option<String>,
    pub revoked: bool,
    pub valid: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Grants {
    Role,
    Join,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Approver,
    Admin,
    Node,
}

#[derive(ToSchema)]
pub struct TokenMade {
    pub success: bool,
    pub id: Name,
    /// Shown this once; null where the request was one that was answered before.
    pub secret: Option<String>,
    pub replayed: bool,
    pub expires_at: Option<String>,
}

#[derive(ToSchema)]
pub struct Whoami {
    pub success: bool,
    pub principal: String,
    pub role: Role,
    pub kind: PrincipalKind,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum PrincipalKind {
    Token,
    Host,
    Member,
}

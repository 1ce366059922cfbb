//! Why a command was refused: a typed value with its code, the sentence, the remedy and its door.

mod door;
mod text;

use serde::{Deserialize, Serialize};

pub use self::door::Door;
use crate::base::ids::{NodeName, PlanId};
use crate::base::version;
use crate::plans::gates::Red;

/// A member that cannot be at a cluster version, as far as the leader knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    pub node: NodeName,
    /// `None`: its daemon was not heard lately.
    pub supports: Option<version::Supported>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    // http
    UnknownPlan {
        plan: PlanId,
    },
    UnknownNode {
        node: String,
    },
    EmptyNodes,
    NotInPlan {
        plan: PlanId,
        node: NodeName,
    },
    UrlNotAllowed {
        url: String,
        why: String,
        allowed: Vec<String>,
    },
    Downgrade {
        node: NodeName,
        running: String,
        asked: String,
    },
    NodeBusy {
        node: NodeName,
        plan: PlanId,
    },
    QuorumUnsafe {
        detail: String,
    },
    NoSecondNode,
    Drift {
        node: NodeName,
        detail: String,
    },
    PlanLive {
        plan: PlanId,
    },
    WrongStatus {
        plan: PlanId,
        status: String,
        event: String,
    },
    WrongNodeStatus {
        node: NodeName,
        status: String,
        event: String,
    },
    NotReady {
        red: Vec<Red>,
    },
    RevisionMismatch {
        plan: PlanId,
        current: u64,
        given: u64,
    },
    TooManyPending {
        limit: usize,
    },
    DirectionNeeded {
        plan: PlanId,
    },
    NothingToRollBack {
        plan: PlanId,
    },
    HostHeard {
        node: NodeName,
    },
    BeginOpen {
        node: NodeName,
    },
    NoSlot {
        node: NodeName,
    },
    KeyReused {
        key: String,
    },
    RequestTableFull {
        limit: usize,
    },
    TokenExists {
        id: String,
    },
    UnknownToken {
        id: String,
    },
    TooManyTokens {
        limit: usize,
    },
    ReasonTooLong {
        limit: usize,
    },
    MembershipChanging,
    SlotHeld {
        node: NodeName,
    },
    WouldLoseQuorum {
        detail: String,
    },
    VotersFull {
        limit: usize,
    },
    /// It needs a newer one, or would lower it.
    ClusterVersion {
        asked: version::Cluster,
        current: version::Cluster,
    },
    VersionUnsupported {
        version: version::Cluster,
        members: Vec<Unfit>,
    },

    // member
    NotFormed,
    AlreadyFormed,
    BadJoinToken,
    NameTaken {
        node: NodeName,
    },
    TooManyNodes {
        limit: usize,
    },
    StaleGeneration {
        node: NodeName,
        newest: String,
    },
    StaleReport {
        node: NodeName,
    },
    ForeignReport {
        node: NodeName,
    },
    BeginAnswered {
        node: NodeName,
    },
    BeginOutOfOrder {
        node: NodeName,
    },
    BeginRepeated {
        node: NodeName,
    },
    PlanNotInProgress {
        plan: PlanId,
    },
    TakeOfOldTerm {
        node: NodeName,
    },
    TakeTooOld {
        node: NodeName,
    },

    // internal
    TermNotOpen,
    TermAlreadyOpen,
    NotTheLeader,
    StaleDecision {
        detail: String,
    },
    GateShut {
        red: Red,
    },
    MembershipNotOpen,
    Internal {
        detail: String,
    },
}

impl Refusal {
    /// Stable, snake_case; also the HTTP code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownPlan { .. } => "unknown_plan",
            Self::UnknownNode { .. } => "unknown_node",
            Self::EmptyNodes => "empty_nodes",
            Self::NotInPlan { .. } => "not_in_plan",
            Self::UrlNotAllowed { .. } => "url_not_allowed",
            Self::Downgrade { .. } => "downgrade",
            Self::NodeBusy { .. } => "node_busy",
            Self::QuorumUnsafe { .. } => "quorum_unsafe",
            Self::NoSecondNode => "no_second_node",
            Self::Drift { .. } => "drift",
            Self::PlanLive { .. } => "plan_live",
            Self::WrongStatus { .. } => "wrong_status",
            Self::WrongNodeStatus { .. } => "wrong_node_status",
            Self::NotReady { .. } => "cluster_not_ready",
            Self::RevisionMismatch { .. } => "revision_mismatch",
            Self::TooManyPending { .. } => "too_many_pending",
            Self::DirectionNeeded { .. } => "direction_needed",
            Self::NothingToRollBack { .. } => "nothing_to_roll_back",
            Self::HostHeard { .. } => "host_heard",
            Self::BeginOpen { .. } => "begin_open",
            Self::NoSlot { .. } => "no_slot",
            Self::KeyReused { .. } => "idempotency_key_reused",
            Self::RequestTableFull { .. } => "request_table_full",
            Self::TokenExists { .. } => "token_exists",
            Self::UnknownToken { .. } => "unknown_token",
            Self::TooManyTokens { .. } => "too_many_tokens",
            Self::ReasonTooLong { .. } => "reason_too_long",
            Self::MembershipChanging => "membership_changing",
            Self::SlotHeld { .. } => "slot_held",
            Self::WouldLoseQuorum { .. } => "would_lose_quorum",
            Self::VotersFull { .. } => "voters_full",
            Self::ClusterVersion { .. } => "cluster_version",
            Self::VersionUnsupported { .. } => "version_unsupported",
            Self::NotFormed => "not_formed",
            Self::AlreadyFormed => "already_formed",
            Self::BadJoinToken => "bad_join_token",
            Self::NameTaken { .. } => "name_taken",
            Self::TooManyNodes { .. } => "too_many_nodes",
            Self::StaleGeneration { .. } => "stale_generation",
            Self::StaleReport { .. } => "stale_report",
            Self::ForeignReport { .. } => "foreign_report",
            Self::BeginAnswered { .. } => "begin_answered",
            Self::BeginOutOfOrder { .. } => "begin_out_of_order",
            Self::BeginRepeated { .. } => "begin_repeated",
            Self::PlanNotInProgress { .. } => "plan_not_in_progress",
            Self::TakeOfOldTerm { .. } => "take_of_old_term",
            Self::TakeTooOld { .. } => "take_too_old",
            Self::TermNotOpen => "term_not_open",
            Self::TermAlreadyOpen => "term_already_open",
            Self::NotTheLeader => "not_the_leader",
            Self::StaleDecision { .. } => "stale_decision",
            Self::GateShut { .. } => "gate_shut",
            Self::MembershipNotOpen => "membership_not_open",
            Self::Internal { .. } => "internal",
        }
    }
}

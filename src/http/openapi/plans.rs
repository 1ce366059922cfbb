//! Plans as `plan_view` shows them.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::strategy::Strategy;
use super::texts::{Name, PlanId, Sha256, Version};

#[derive(ToSchema)]
pub enum PlanStatus {
    Pending,
    InProgress,
    Paused,
    RollingBack,
    Completed,
    Failed,
    RolledBack,
    Cancelled,
}

#[derive(ToSchema)]
pub enum NodeStatus {
    Pending,
    Staging,
    Staged,
    Updating,
    Updated,
    Failed,
    RollingBack,
    RolledBack,
    Skipped,
    NeedsOperator,
}

#[derive(ToSchema)]
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

/// Why a step failed.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum FailureClass {
    VersionMismatch,
    StagingFailed,
    DrainFailed,
    FlushFailed,
    ApplyFailed,
    LauncherActivationFailed,
    HealthGateFailed,
    RejoinFailed,
    Unreachable,
    ManualRollbackRequested,
    QuorumLost,
    DiskFull,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum PlanKind {
    Update,
    /// Takes a finished plan back.
    Rollback,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Direction {
    Forward,
    Rollback,
}

#[derive(ToSchema)]
pub struct Binary {
    pub version: String,
    pub digest: Sha256,
}

#[derive(ToSchema)]
pub struct Plan {
    pub id: PlanId,
    /// Absent in a plan of kind rollback, as are `binary_url` and `sha256`.
    pub version: Option<Version>,
    pub binary_url: Option<String>,
    pub sha256: Option<Sha256>,
    pub created_at: Option<String>,
    pub status: PlanStatus,
    /// Node to status; `nodes` tells more.
    pub node_statuses: BTreeMap<String, NodeStatus>,
    pub kind: PlanKind,
    pub nodes: Vec<PlanNode>,
    /// As asked; null: every node that is registered when the plan is executed.
    pub asked_nodes: Option<Vec<Name>>,
    pub strategy: Strategy,
    /// Also the `ETag`.
    pub revision: u64,
    pub creator: String,
    pub executed_at: Option<String>,
    pub ended_at: Option<String>,
    pub takes_back: Option<PlanId>,
    pub paused_from: Option<Direction>,
    pub quorum_lost: bool,
    pub cancelling: bool,
    pub rollback_in_ms: Option<u64>,
    pub turned_for: Option<FailureClass>,
    pub detail: Option<String>,
    /// The plan's nodes by the version that their hosts last reported.
    pub versions: BTreeMap<String, Vec<Name>>,
    pub mixed: bool,
    /// Commands that make sense now.
    pub next: Vec<String>,
}

#[derive(ToSchema)]
pub struct PlanNode {
    pub node: Name,
    pub status: NodeStatus,
    pub step: Option<Step>,
    pub for_ms: u64,
    pub class: Option<FailureClass>,
    pub detail: Option<String>,
    pub in_hand: bool,
    pub version: Option<String>,
    pub digest: Option<Sha256>,
    pub healthy: Option<bool>,
    pub target: Option<Binary>,
    pub rollback_target: Option<Binary>,
}

#[derive(ToSchema)]
pub struct PlanAnswer {
    pub success: bool,
    pub plan: Plan,
    /// Null after a linearizable read.
    pub stale_ms: Option<u64>,
}

/// The write is committed. The plan is null, or nothing but its id, when it cannot be shown at this moment.
#[derive(ToSchema)]
pub struct PlanWritten {
    pub success: bool,
    #[schema(value_type = Option<Object>)]
    pub plan: Option<Value>,
}

#[derive(ToSchema)]
pub struct PlanList {
    pub success: bool,
    /// Newest first.
    pub plans: Vec<Plan>,
    pub next_cursor: Option<PlanId>,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct PlanNodes {
    pub success: bool,
    pub nodes: Vec<PlanNode>,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct Explanation {
    pub success: bool,
    pub plan: PlanId,
    pub status: PlanStatus,
    pub detail: Option<String>,
    /// Empty when the plan waits for nothing.
    pub waits: Vec<Wait>,
    pub stale_ms: Option<u64>,
}

#[derive(ToSchema)]
pub struct Wait {
    /// Stable.
    pub code: String,
    pub subject: Option<String>,
    pub detail: String,
    pub since_ms: Option<u64>,
    pub until_ms: Option<u64>,
    pub next: String,
    pub commands: Vec<String>,
}

#[derive(ToSchema)]
pub struct Preview {
    pub success: bool,
    /// In the order in which they would be taken.
    pub waves: Vec<Vec<PreviewNode>>,
    pub handoff_to: Option<Name>,
    pub min_available: u64,
    pub red: Vec<RedGate>,
    pub ready: bool,
    pub refused: Option<super::others::Problem>,
}

#[derive(ToSchema)]
pub struct PreviewNode {
    pub node: Name,
    pub leads: bool,
    pub running: Option<String>,
    pub already_there: bool,
    pub disk_free_bytes: Option<u64>,
    pub artifact_bytes: Option<u64>,
    pub artifact_error: Option<String>,
}

#[derive(ToSchema)]
pub struct RedGate {
    pub gate: String,
    pub detail: String,
}

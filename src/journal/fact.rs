//! What can be recorded. A fact says what happened, never what should.

use serde::{Deserialize, Serialize};

use crate::base::failure::Class;
use crate::base::ids::{Generation, MemberId, NodeName, PlanId};
use crate::base::version;
use crate::fleet::intent::{Evidence, Which};
use crate::fleet::observation::Database;
use crate::plans::progress::Step;
use crate::plans::spec::Binary;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    ClusterFormed {
        cluster: String,
        node: NodeName,
        member: MemberId,
    },
    NodeJoined {
        node: NodeName,
        member: MemberId,
    },
    NodeRemoved {
        node: NodeName,
    },
    MembershipOpened {
        change: String,
    },
    MembershipClosed {
        done: bool,
    },
    MembershipChanged {
        voters: Vec<MemberId>,
        members: Vec<MemberId>,
    },
    VersionRaised {
        from: version::Cluster,
        to: version::Cluster,
    },
    #[cfg(feature = "next-version")]
    Annotated {
        node: NodeName,
    },
    #[cfg(feature = "next-version")]
    Beating {
        first: u64,
    },
    TermOpened {
        leader: MemberId,
        idle_ms: Option<u64>,
    },
    HandoffFailed {
        target: Option<MemberId>,
        reason: String,
        tries: u32,
    },
    PlanCreated {
        plan: PlanId,
    },
    PlanStatus {
        plan: PlanId,
        from: String,
        to: String,
        detail: Option<String>,
    },
    PlanCancelling {
        plan: PlanId,
    },
    QuorumLost {
        plan: PlanId,
        cause: String,
    },
    Preflight {
        plan: PlanId,
        node: NodeName,
        running: Database,
        rollback_target: Binary,
    },
    Taken {
        plan: PlanId,
        node: NodeName,
        generation: Generation,
        goal: String,
        leader: MemberId,
        first: bool,
        evidence: Vec<Evidence>,
    },
    StoodDown {
        node: NodeName,
        generation: Generation,
    },
    Begun {
        node: NodeName,
        generation: Generation,
        which: Which,
        attempt: u64,
    },
    StepEntered {
        plan: PlanId,
        node: NodeName,
        generation: Generation,
        step: Step,
    },
    Answered {
        plan: PlanId,
        node: NodeName,
        generation: Generation,
        answer: String,
        detail: Option<String>,
        database: Database,
    },
    SlotFreed {
        node: NodeName,
        how: String,
    },
    NodeStatus {
        plan: PlanId,
        node: NodeName,
        from: String,
        to: String,
        class: Option<Class>,
        detail: Option<String>,
    },
    UnknownHands {
        node: NodeName,
        detail: String,
    },
    ActedIsolated {
        node: NodeName,
        detail: String,
    },
    DriftCleared {
        node: NodeName,
    },
    TokenCreated {
        id: String,
        grants: String,
    },
    TokenRevoked {
        id: String,
    },
    /// The machine met a state that must not be. Plans are paused.
    Alarm {
        detail: String,
    },
}

//! Every refusal's HTTP status and remedy. Exhaustive on purpose: a new refusal must say both.

use axum::http::StatusCode;

use crate::machine::refusal::Refusal;

pub const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::UnknownPlan { .. }
        | Refusal::UnknownNode { .. }
        | Refusal::NotInPlan { .. }
        | Refusal::UnknownToken { .. } => StatusCode::NOT_FOUND,
        Refusal::ReasonTooLong { .. } => StatusCode::BAD_REQUEST,
        Refusal::EmptyNodes
        | Refusal::UrlNotAllowed { .. }
        | Refusal::Downgrade { .. }
        | Refusal::QuorumUnsafe { .. }
        | Refusal::NoSecondNode
        | Refusal::Drift { .. }
        | Refusal::TooManyPending { .. }
        | Refusal::DirectionNeeded { .. }
        | Refusal::NothingToRollBack { .. }
        | Refusal::KeyReused { .. }
        | Refusal::TooManyTokens { .. }
        | Refusal::TooManyNodes { .. }
        | Refusal::VotersFull { .. }
        | Refusal::NodeBusy { .. }
        | Refusal::WrongNodeStatus { .. }
        | Refusal::HostHeard { .. }
        | Refusal::BeginOpen { .. }
        | Refusal::NoSlot { .. }
        | Refusal::TokenExists { .. }
        | Refusal::MembershipChanging
        | Refusal::SlotHeld { .. }
        | Refusal::WouldLoseQuorum { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::PlanLive { .. }
        | Refusal::WrongStatus { .. }
        | Refusal::NotReady { .. }
        | Refusal::NotFormed
        | Refusal::AlreadyFormed
        | Refusal::NameTaken { .. }
        | Refusal::StaleGeneration { .. }
        | Refusal::StaleReport { .. }
        | Refusal::BeginAnswered { .. }
        | Refusal::BeginOutOfOrder { .. }
        | Refusal::BeginRepeated { .. }
        | Refusal::PlanNotInProgress { .. }
        | Refusal::TakeOfOldTerm { .. }
        | Refusal::TakeTooOld { .. }
        | Refusal::StaleDecision { .. }
        | Refusal::GateShut { .. }
        | Refusal::ClusterVersion { .. }
        | Refusal::VersionUnsupported { .. }
        | Refusal::MembershipNotOpen => StatusCode::CONFLICT,
        Refusal::RevisionMismatch { .. } => StatusCode::PRECONDITION_FAILED,
        Refusal::RequestTableFull { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::BadJoinToken | Refusal::ForeignReport { .. } => StatusCode::FORBIDDEN,
        // A leader that has just been elected, or has just ceased to be one: the next try is served.
        Refusal::TermNotOpen | Refusal::TermAlreadyOpen | Refusal::NotTheLeader => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

pub const fn remedy(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownPlan { .. } => "`plan list` shows the plans",
        Refusal::UnknownNode { .. } => "`node list` shows the nodes",
        Refusal::EmptyNodes => "leave `nodes` out to mean all nodes",
        Refusal::NotInPlan { .. } => "`plan show` lists the plan's nodes",
        Refusal::UrlNotAllowed { .. } => {
            "serve the binary from an allowed origin; url_allow was set when the cluster was formed"
        }
        Refusal::Downgrade { .. } => "if the older version is meant, set allow_downgrade",
        Refusal::NodeBusy { .. } => "wait for that plan, or cancel it",
        Refusal::QuorumUnsafe { .. } => "lower max_unavailable",
        Refusal::NoSecondNode => "if the database may be down for a while, set allow_downtime",
        Refusal::Drift { .. } => {
            "restart the database from its install path, or set allow_drift to keep what runs as the way back"
        }
        Refusal::PlanLive { .. } => "wait for it, or cancel it; `explain` says what it waits for",
        Refusal::WrongStatus { .. } => "`plan show` tells its status and what can be done next",
        Refusal::WrongNodeStatus { .. } => "`plan show` tells the status of each node",
        Refusal::NotReady { .. } => "make every gate in details green, then execute again",
        Refusal::RevisionMismatch { .. } => "look at the plan again and repeat with its revision",
        Refusal::TooManyPending { .. } => "execute or cancel a pending plan",
        Refusal::DirectionNeeded { .. } => "resume with `--forward` or `--rollback`",
        Refusal::NothingToRollBack { .. } | Refusal::NoSlot { .. } => "nothing is to be done",
        Refusal::HostHeard { .. } => {
            "wait for the host's own answer; it frees the slot when the node is well"
        }
        Refusal::BeginOpen { .. } => {
            "if that host is switched off for certain, say `--host-is-off`"
        }
        Refusal::KeyReused { .. } => "use a new key for another request",
        Refusal::RequestTableFull { .. } => {
            "send without a key, or wait: keys are kept for 24 hours"
        }
        Refusal::TokenExists { .. } => "choose another id, or revoke that one",
        Refusal::UnknownToken { .. } => "`token list` shows the tokens",
        Refusal::TooManyTokens { .. } => "revoke tokens that nobody uses",
        Refusal::ReasonTooLong { .. } => "shorten the reason",
        Refusal::MembershipChanging => "wait a moment; one change is made at a time",
        Refusal::SlotHeld { .. } => "wait until the node is finished",
        Refusal::WouldLoseQuorum { .. } => "bring other members back first",
        Refusal::VotersFull { .. } => "demote a voter first; learners are updated all the same",
        Refusal::ClusterVersion { .. } => "`cluster finalize` raises it, and nothing lowers it",
        Refusal::VersionUnsupported { .. } => "start the newer daemon on the members it names",
        Refusal::NotFormed => {
            "run `cluster init` on one host; just after it, try again in a moment"
        }
        Refusal::AlreadyFormed => "join it with a token from `cluster join-token`",
        Refusal::BadJoinToken => "make a new one with `cluster join-token`",
        Refusal::NameTaken { .. } => "choose another name, or remove the old member first",
        Refusal::TooManyNodes { .. } => "remove nodes that are gone",
        Refusal::StaleGeneration { .. }
        | Refusal::StaleReport { .. }
        | Refusal::ForeignReport { .. }
        | Refusal::BeginAnswered { .. }
        | Refusal::BeginOutOfOrder { .. }
        | Refusal::BeginRepeated { .. }
        | Refusal::PlanNotInProgress { .. }
        | Refusal::TakeOfOldTerm { .. }
        | Refusal::TakeTooOld { .. } => "the host looks at its newest intent and goes on by itself",
        Refusal::StaleDecision { .. } | Refusal::GateShut { .. } => {
            "the leader decides anew by itself"
        }
        Refusal::MembershipNotOpen => "start the change again",
        Refusal::TermNotOpen | Refusal::TermAlreadyOpen | Refusal::NotTheLeader => {
            "try again in a second; a leader is taking over"
        }
        Refusal::Internal { .. } => "plans are paused; report this with the journal around it",
    }
}

//! Through which door each refusal is met.

use super::Refusal;

/// Through which door a refusal can be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// A person's or program's request.
    Http,
    /// Another member: an agent, a joiner.
    Member,
    /// The leader's own proposal, overtaken by what was committed before it.
    Internal,
}

impl Refusal {
    /// Exhaustive on purpose: a new refusal must say where it is met.
    pub const fn door(&self) -> Door {
        match self {
            Self::UnknownPlan { .. }
            | Self::UnknownNode { .. }
            | Self::EmptyNodes
            | Self::NotInPlan { .. }
            | Self::UrlNotAllowed { .. }
            | Self::Downgrade { .. }
            | Self::NodeBusy { .. }
            | Self::QuorumUnsafe { .. }
            | Self::NoSecondNode
            | Self::Drift { .. }
            | Self::PlanLive { .. }
            | Self::WrongStatus { .. }
            | Self::WrongNodeStatus { .. }
            | Self::NotReady { .. }
            | Self::RevisionMismatch { .. }
            | Self::TooManyPending { .. }
            | Self::DirectionNeeded { .. }
            | Self::NothingToRollBack { .. }
            | Self::HostHeard { .. }
            | Self::BeginOpen { .. }
            | Self::NoSlot { .. }
            | Self::KeyReused { .. }
            | Self::RequestTableFull { .. }
            | Self::TokenExists { .. }
            | Self::UnknownToken { .. }
            | Self::TooManyTokens { .. }
            | Self::ReasonTooLong { .. }
            | Self::MembershipChanging
            | Self::SlotHeld { .. }
            | Self::WouldLoseQuorum { .. }
            | Self::VotersFull { .. }
            | Self::ClusterVersion { .. }
            | Self::VersionUnsupported { .. } => Door::Http,
            Self::NotFormed
            | Self::AlreadyFormed
            | Self::BadJoinToken
            | Self::NameTaken { .. }
            | Self::TooManyNodes { .. }
            | Self::StaleGeneration { .. }
            | Self::StaleReport { .. }
            | Self::ForeignReport { .. }
            | Self::BeginAnswered { .. }
            | Self::BeginOutOfOrder { .. }
            | Self::BeginRepeated { .. }
            | Self::PlanNotInProgress { .. }
            | Self::TakeOfOldTerm { .. }
            | Self::TakeTooOld { .. } => Door::Member,
            Self::TermNotOpen
            | Self::TermAlreadyOpen
            | Self::NotTheLeader
            | Self::StaleDecision { .. }
            | Self::GateShut { .. }
            | Self::MembershipNotOpen
            | Self::Internal { .. } => Door::Internal,
        }
    }
}

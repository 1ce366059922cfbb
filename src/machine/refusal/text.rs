//! The sentence of each refusal: what happened, with its subject. Codes and doors are beside the type.

use std::fmt;

use super::{Refusal, Unfit};

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of_a_plan(f)
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, supports } = self;
        match supports {
            Some(supports) => write!(f, "{node} supports {supports}"),
            None => write!(f, "{node} was not heard lately"),
        }
    }
}

impl Refusal {
    /// About plans and their nodes.
    fn of_a_plan(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPlan { plan } => write!(f, "there is no plan {plan}"),
            Self::UnknownNode { node } => write!(f, "there is no node `{node}` in this cluster"),
            Self::EmptyNodes => {
                f.write_str("the list of nodes is empty; leave it out to mean all nodes")
            }
            Self::NotInPlan { plan, node } => write!(f, "node {node} is not part of plan {plan}"),
            Self::UrlNotAllowed { url, why, allowed } => write!(
                f,
                "{url} is not allowed: {why} (allowed: {})",
                allowed.join(", ")
            ),
            Self::Downgrade {
                node,
                running,
                asked,
            } => {
                write!(f, "{asked} is older than {running}, which runs on {node}")
            }
            Self::NodeBusy { node, plan } => {
                write!(f, "node {node} is in plan {plan}, which is live")
            }
            Self::QuorumUnsafe { detail } => write!(f, "this plan could not keep quorum: {detail}"),
            Self::NoSecondNode => {
                f.write_str("no second database could serve while a node is down")
            }
            Self::Drift { node, detail } => write!(
                f,
                "on {node} the installed file is not the running one: {detail}"
            ),
            Self::PlanLive { plan } => write!(f, "plan {plan} is live; one plan runs at a time"),
            Self::WrongStatus {
                plan,
                status,
                event,
            } => write!(f, "plan {plan} is {status}; it cannot {event}"),
            Self::WrongNodeStatus {
                node,
                status,
                event,
            } => write!(f, "node {node} is {status}; it cannot {event}"),
            Self::NotReady { red } => {
                write!(f, "the cluster is not ready: ")?;
                for (at, red) in red.iter().enumerate() {
                    write!(f, "{}{red}", if at == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::RevisionMismatch {
                plan,
                current,
                given,
            } => {
                write!(f, "plan {plan} is at revision {current}, not {given}")
            }
            Self::TooManyPending { limit } => write!(f, "{limit} plans wait already"),
            Self::DirectionNeeded { plan } => write!(
                f,
                "quorum was lost in plan {plan}; say which way it should go on"
            ),
            Self::NothingToRollBack { plan } => {
                write!(f, "no node of plan {plan} runs its release")
            }
            _ => self.of_a_request(f),
        }
    }

    /// About other requests of people and programs.
    fn of_a_request(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostHeard { node } => write!(
                f,
                "the host of {node} was heard a moment ago and can answer itself"
            ),
            Self::BeginOpen { node } => {
                write!(f, "the host of {node} began to act and has not answered")
            }
            Self::NoSlot { node } => write!(f, "node {node} holds no slot"),
            Self::KeyReused { key } => write!(
                f,
                "the idempotency key `{key}` was used with another request"
            ),
            Self::RequestTableFull { limit } => {
                write!(f, "{limit} idempotency keys are kept already")
            }
            Self::TokenExists { id } => write!(f, "a token `{id}` exists"),
            Self::UnknownToken { id } => write!(f, "there is no token `{id}`"),
            Self::TooManyTokens { limit } => write!(f, "{limit} tokens exist already"),
            Self::ReasonTooLong { limit } => write!(f, "a reason has at most {limit} characters"),
            Self::MembershipChanging => f.write_str("a membership change is in progress"),
            Self::SlotHeld { node } => write!(f, "node {node} is in hand and its host answers"),
            Self::WouldLoseQuorum { detail } => {
                write!(f, "the cluster would lose its quorum: {detail}")
            }
            Self::VotersFull { limit } => write!(f, "the cluster has its {limit} voters"),
            Self::ClusterVersion { asked, current } => write!(
                f,
                "this is of cluster version {asked}, and the cluster is at version {current}"
            ),
            Self::VersionUnsupported { version, members } => {
                write!(
                    f,
                    "not every member is known to support cluster version {version}: "
                )?;
                for (at, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if at == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            _ => self.of_a_member(f),
        }
    }

    /// About members, their reports and begins.
    fn of_a_member(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFormed => f.write_str("this cluster has not been formed"),
            Self::AlreadyFormed => f.write_str("this cluster has been formed already"),
            Self::BadJoinToken => {
                f.write_str("the join token is unknown, used, expired or revoked")
            }
            Self::NameTaken { node } => write!(f, "a node named {node} is a member already"),
            Self::TooManyNodes { limit } => write!(f, "the cluster has its {limit} nodes"),
            Self::StaleGeneration { node, newest } => {
                write!(f, "node {node} is at generation {newest}")
            }
            Self::StaleReport { node } => write!(f, "a newer report of {node} was recorded"),
            Self::ForeignReport { node } => write!(f, "only the host of {node} speaks for it"),
            Self::BeginAnswered { node } => {
                write!(f, "{node} answered this generation; it begins nothing more")
            }
            Self::BeginOutOfOrder { node } => {
                write!(f, "{node} has no first begin for this generation")
            }
            Self::BeginRepeated { node } => write!(f, "this attempt of {node} is in the log"),
            Self::PlanNotInProgress { plan } => write!(f, "plan {plan} is not going this way now"),
            Self::TakeOfOldTerm { node } => write!(f, "{node} was taken by an earlier leader"),
            Self::TakeTooOld { node } => write!(f, "{node} was taken too long ago"),
            _ => self.of_the_leader(f),
        }
    }

    /// About the leader's own proposals; the last of the four, so it names every other by its code.
    fn of_the_leader(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TermNotOpen => f.write_str("the term's opening entry is not applied"),
            Self::TermAlreadyOpen => f.write_str("the term was opened"),
            Self::NotTheLeader => f.write_str("only the term's leader proposes this"),
            Self::StaleDecision { detail } => write!(f, "decided on older state: {detail}"),
            Self::GateShut { red } => write!(f, "a gate is shut: {red}"),
            Self::MembershipNotOpen => f.write_str("no membership change was opened"),
            Self::Internal { detail } => {
                write!(f, "the machine met a state that must not be: {detail}")
            }
            other => f.write_str(other.code()),
        }
    }
}

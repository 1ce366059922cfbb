//! What can go wrong, told apart by what the caller may do about it.

use std::fmt;

use crate::store::OpenError;

/// Why a member did not start.
#[derive(Debug)]
pub enum StartError {
    Store(OpenError),
    /// A certificate, key or CA does not fit.
    Credentials(String),
    /// Timing or policy that consensus refuses.
    Settings(String),
    Fatal(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitError {
    /// The store already holds a log; forming is done once.
    AlreadyFormed,
    Fatal(String),
}

/// Why a proposal gave no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposeError {
    /// It is in no log and never will be: try the leader, or wait for one.
    NotAppended {
        leader_hint: Option<u64>,
        reason: NotAppended,
    },
    /// It may have been appended, and may still commit: repeat only with the same request key.
    Unknown,
    /// This member cannot go on.
    Fatal(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAppended {
    /// This member does not lead.
    NotLeader,
    /// It leads, but no majority acknowledged it recently.
    QuorumLost,
    /// It is handing leadership to the hinted member.
    Transferring,
    /// It leads another term than the one the proposal was made for.
    OtherTerm,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// Nobody is known to lead, or the leader is changing.
    NoLeader,
    /// The leader could not confirm itself with a majority.
    QuorumLost,
    /// No answer, or this member did not catch up, in time.
    TimedOut,
    Fatal(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipError {
    NotLeader {
        leader_hint: Option<u64>,
    },
    /// An earlier change is not committed yet; one at a time.
    InProgress,
    /// The change makes no sense for the present configuration; the text says why.
    Refused(String),
    /// It may have been appended.
    Unknown,
    Fatal(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferError {
    NotLeader {
        leader_hint: Option<u64>,
    },
    /// Not a voter, or this member itself; nothing was done.
    BadTarget(String),
    /// The target did not catch up or did not answer in time; nothing was done.
    TargetNotReady(String),
    /// The handoff was begun and somebody else leads now.
    WentElsewhere {
        leader: u64,
        term: u64,
    },
    /// The handoff was begun and had no outcome in time: there may be no leader for seconds.
    TimedOut,
    Fatal(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Credentials(reason) => {
                write!(f, "the member's credentials cannot be used: {reason}")
            }
            Self::Settings(reason) => write!(f, "the member's settings cannot be used: {reason}"),
            Self::Fatal(reason) => write!(f, "the member could not start: {reason}"),
        }
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyFormed => {
                f.write_str("this member already holds a log; a cluster is formed once")
            }
            Self::Fatal(reason) => write!(f, "this member cannot go on: {reason}"),
        }
    }
}

impl fmt::Display for ProposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAppended {
                leader_hint: Some(leader),
                reason,
            } => write!(f, "not appended here ({reason:?}); member {leader} leads"),
            Self::NotAppended {
                leader_hint: None,
                reason,
            } => write!(f, "not appended here ({reason:?}); no leader is known"),
            Self::Unknown => f.write_str("the outcome is unknown: it may have been appended"),
            Self::Fatal(reason) => write!(f, "this member cannot go on: {reason}"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeader => f.write_str("no leader is known"),
            Self::QuorumLost => f.write_str("the leader could not confirm itself with a majority"),
            Self::TimedOut => f.write_str("the read point was not reached in time"),
            Self::Fatal(reason) => write!(f, "this member cannot go on: {reason}"),
        }
    }
}

impl fmt::Display for MembershipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader {
                leader_hint: Some(leader),
            } => write!(f, "not the leader; member {leader} leads"),
            Self::NotLeader { leader_hint: None } => {
                f.write_str("not the leader; no leader is known")
            }
            Self::InProgress => f.write_str("an earlier membership change is not committed yet"),
            Self::Refused(reason) => write!(f, "membership change refused: {reason}"),
            Self::Unknown => f.write_str("the outcome of the membership change is unknown"),
            Self::Fatal(reason) => write!(f, "this member cannot go on: {reason}"),
        }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader {
                leader_hint: Some(leader),
            } => write!(f, "not the leader; member {leader} leads"),
            Self::NotLeader { leader_hint: None } => {
                f.write_str("not the leader; no leader is known")
            }
            Self::BadTarget(reason) => write!(f, "cannot hand over: {reason}"),
            Self::TargetNotReady(reason) => {
                write!(f, "not handed over, the target is not ready: {reason}")
            }
            Self::WentElsewhere { leader, term } => {
                write!(f, "member {leader} took over instead, in term {term}")
            }
            Self::TimedOut => f.write_str(
                "the handoff had no outcome in time; there may be no leader for some seconds",
            ),
            Self::Fatal(reason) => write!(f, "this member cannot go on: {reason}"),
        }
    }
}

impl std::error::Error for StartError {}
impl std::error::Error for InitError {}
impl std::error::Error for ProposeError {}
impl std::error::Error for ReadError {}
impl std::error::Error for MembershipError {}
impl std::error::Error for TransferError {}

//! The messages between members as they travel: our own records, MessagePack with named fields, so that
//! two versions of the daemon understand each other whatever openraft's types become.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use super::lateness::Stamp;
use crate::types::{Ballot, Covered, LogId, Position, Record, Types};

/// Everything under it is Raft's and never reaches the product's handler.
pub(super) const PREFIX: &str = "/raft/";
pub(super) const VOTE: &str = "/raft/v1/vote";
pub(super) const PRE_VOTE: &str = "/raft/v1/pre-vote";
pub(super) const APPEND: &str = "/raft/v1/append";
pub(super) const TRANSFER: &str = "/raft/v1/transfer-leader";
pub(super) const IMAGE_CHUNK: &str = "/raft/v1/image/chunk";
pub(super) const IMAGE_INSTALL: &str = "/raft/v1/image/install";
pub(super) const READ_INDEX: &str = "/raft/v1/read-index";
/// The only path that a peer without certificate may ask for.
pub const JOIN: &str = "/join";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VoteAsk {
    pub(super) ballot: Ballot,
    last: Option<Position>,
    leadership_transfer: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VoteAnswer {
    ballot: Ballot,
    granted: bool,
    last: Option<Position>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AppendAsk {
    pub(super) ballot: Ballot,
    previous: Option<Position>,
    records: Vec<Record>,
    committed: Option<Position>,
    pub(super) sent: Stamp,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AppendAnswer {
    Success,
    Partial(Option<Position>),
    Conflict,
    Higher(Ballot),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TransferAsk {
    pub(super) from: Ballot,
    to: u64,
    last: Option<Position>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum TransferAnswer {
    Begun,
    VoteChanged {
        expected: Ballot,
        actual: Ballot,
    },
    NotFlushed {
        expected: Option<Position>,
        actual: Option<Position>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Received {
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InstallAsk {
    pub(super) ballot: Ballot,
    pub(super) covered: Covered,
    pub(super) sha256: [u8; 32],
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum InstallAnswer {
    /// The receiver's vote: installed if it is not higher than the sender's.
    Ballot(Ballot),
    /// Not all of it is there.
    Incomplete,
    /// What arrived has another checksum.
    Damaged,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReadIndexAsk {
    pub(super) timeout_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ReadIndexAnswer {
    At(u64),
    NotLeader,
    QuorumLost,
}

fn position(id: Option<LogId>) -> Option<Position> {
    id.map(Position::from)
}

fn log_id(at: Option<Position>) -> Option<LogId> {
    at.map(LogId::from)
}

impl From<VoteRequest<Types>> for VoteAsk {
    fn from(ask: VoteRequest<Types>) -> Self {
        let VoteRequest {
            vote,
            last_log_id,
            leadership_transfer,
        } = ask;
        Self {
            ballot: vote.into(),
            last: position(last_log_id),
            leadership_transfer,
        }
    }
}

impl From<VoteAsk> for VoteRequest<Types> {
    fn from(ask: VoteAsk) -> Self {
        let VoteAsk {
            ballot,
            last,
            leadership_transfer,
        } = ask;
        Self {
            vote: ballot.into(),
            last_log_id: log_id(last),
            leadership_transfer,
        }
    }
}

impl From<VoteResponse<Types>> for VoteAnswer {
    fn from(answer: VoteResponse<Types>) -> Self {
        let VoteResponse {
            vote,
            vote_granted,
            last_log_id,
        } = answer;
        Self {
            ballot: vote.into(),
            granted: vote_granted,
            last: position(last_log_id),
        }
    }
}

impl From<VoteAnswer> for VoteResponse<Types> {
    fn from(answer: VoteAnswer) -> Self {
        let VoteAnswer {
            ballot,
            granted,
            last,
        } = answer;
        Self {
            vote: ballot.into(),
            vote_granted: granted,
            last_log_id: log_id(last),
        }
    }
}

impl AppendAsk {
    pub(super) fn new(ask: AppendEntriesRequest<Types>, sent: Stamp) -> Self {
        let AppendEntriesRequest {
            vote,
            prev_log_id,
            entries,
            leader_commit,
        } = ask;
        Self {
            ballot: vote.into(),
            previous: position(prev_log_id),
            records: entries.into_iter().map(Record::from).collect(),
            committed: position(leader_commit),
            sent,
        }
    }
}

impl TryFrom<AppendAsk> for AppendEntriesRequest<Types> {
    type Error = std::io::Error;

    fn try_from(ask: AppendAsk) -> std::io::Result<Self> {
        let AppendAsk {
            ballot,
            previous,
            records,
            committed,
            sent: _,
        } = ask;
        Ok(Self {
            vote: ballot.into(),
            prev_log_id: log_id(previous),
            entries: records
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            leader_commit: log_id(committed),
        })
    }
}

impl From<AppendEntriesResponse<Types>> for AppendAnswer {
    fn from(answer: AppendEntriesResponse<Types>) -> Self {
        match answer {
            AppendEntriesResponse::Success => Self::Success,
            AppendEntriesResponse::PartialSuccess(upto) => Self::Partial(position(upto)),
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::Higher(vote.into()),
        }
    }
}

impl From<AppendAnswer> for AppendEntriesResponse<Types> {
    fn from(answer: AppendAnswer) -> Self {
        match answer {
            AppendAnswer::Success => Self::Success,
            AppendAnswer::Partial(upto) => Self::PartialSuccess(log_id(upto)),
            AppendAnswer::Conflict => Self::Conflict,
            AppendAnswer::Higher(ballot) => Self::HigherVote(ballot.into()),
        }
    }
}

impl From<TransferLeaderRequest<Types>> for TransferAsk {
    fn from(ask: TransferLeaderRequest<Types>) -> Self {
        Self {
            from: (*ask.from_leader()).into(),
            to: *ask.to_node_id(),
            last: position(ask.last_log_id().copied()),
        }
    }
}

impl From<TransferAsk> for TransferLeaderRequest<Types> {
    fn from(ask: TransferAsk) -> Self {
        Self::new(ask.from.into(), ask.to, log_id(ask.last))
    }
}

impl From<TransferLeaderResponse<Types>> for TransferAnswer {
    fn from(answer: TransferLeaderResponse<Types>) -> Self {
        match answer {
            Ok(()) => Self::Begun,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => Self::VoteChanged {
                expected: expected.into(),
                actual: actual.into(),
            },
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => Self::NotFlushed {
                expected: position(expected),
                actual: position(actual),
            },
        }
    }
}

impl From<TransferAnswer> for TransferLeaderResponse<Types> {
    fn from(answer: TransferAnswer) -> Self {
        match answer {
            TransferAnswer::Begun => Ok(()),
            TransferAnswer::VoteChanged { expected, actual } => {
                Err(TransferLeaderError::VoteChanged {
                    expected: expected.into(),
                    actual: actual.into(),
                })
            }
            TransferAnswer::NotFlushed { expected, actual } => {
                Err(TransferLeaderError::LogNotFlushed {
                    expected: log_id(expected),
                    actual: log_id(actual),
                })
            }
        }
    }
}

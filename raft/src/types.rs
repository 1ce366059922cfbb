//! openraft's type parameters for this crate, and the conversions between its types and what is stored
//! and sent. No field of an openraft type is ever written to disk or to the wire: records here are.

use std::cmp::Ordering;
use std::fmt;
use std::io;

use openraft::vote::RaftLeaderId;
use serde::{Deserialize, Serialize};

use crate::application::{Membership, Node, Payload};

openraft::declare_raft_types!(
    /// One leader a term, as in the Raft paper: openraft's default admits several, but the product
    /// speaks of "the leader of a term".
    pub(crate) Types:
        D = Payload,
        R = Vec<u8>,
        NodeId = u64,
        Node = Node,
        Term = u64,
        LeaderId = Leader,
        AsyncRuntime = crate::ground::Runtime,
        ErrorSource = anyerror::AnyError,
);

pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type EntryPayload = openraft::alias::EntryPayloadOf<Types>;
pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<Types>;
pub(crate) type ImageMeta = openraft::alias::SnapshotMetaOf<Types>;
/// The core.
pub(crate) type Raft = openraft::Raft<Types, crate::store::StateMachine>;
pub(crate) type RaftMembership = openraft::Membership<u64, Node>;

/// A member that asks for the votes of a term, or got them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    term: u64,
    node: u64,
}

/// A leader that a majority elected. It carries the member, so that every log entry says who proposed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Elected {
    pub(crate) term: u64,
    pub(crate) node: u64,
}

/// Two candidates of one term have no order: neither vote overrides the other (Raft §5.2).
impl PartialOrd for Leader {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.term.cmp(&other.term) {
            Ordering::Equal if self.node == other.node => Some(Ordering::Equal),
            Ordering::Equal => None,
            order => Some(order),
        }
    }
}

/// An elected leader overrides the candidates of its term.
impl PartialOrd<Elected> for Leader {
    fn partial_cmp(&self, other: &Elected) -> Option<Ordering> {
        Some(self.term.cmp(&other.term).then(Ordering::Less))
    }
}

impl PartialEq<Elected> for Leader {
    fn eq(&self, _other: &Elected) -> bool {
        false
    }
}

impl RaftLeaderId for Leader {
    type Term = u64;
    type NodeId = u64;
    type Committed = Elected;

    fn new(term: u64, node: u64) -> Self {
        Self { term, node }
    }

    fn term(&self) -> u64 {
        self.term
    }

    fn node_id(&self) -> &u64 {
        &self.node
    }

    fn to_committed(&self) -> Elected {
        Elected {
            term: self.term,
            node: self.node,
        }
    }
}

impl fmt::Display for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}-N{}", self.term, self.node)
    }
}

impl fmt::Display for Elected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}-N{}", self.term, self.node)
    }
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) term: u64,
    pub(crate) leader: u64,
    pub(crate) index: u64,
}

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ballot {
    pub(crate) term: u64,
    pub(crate) node: u64,
    pub(crate) committed: bool,
}

/// A log entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) at: Position,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    FirstOfTerm,
    Normal(Payload),
    Membership(Membership),
}

/// A configuration and the entry that set it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Configured {
    pub(crate) at: Option<Position>,
    pub(crate) membership: Membership,
}

/// What an image covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Covered {
    pub(crate) last: Option<Position>,
    pub(crate) configured: Configured,
}

impl From<LogId> for Position {
    fn from(id: LogId) -> Self {
        Self {
            term: id.leader_id.term,
            leader: id.leader_id.node,
            index: id.index,
        }
    }
}

impl From<Position> for LogId {
    fn from(at: Position) -> Self {
        LogId::new(
            Elected {
                term: at.term,
                node: at.leader,
            },
            at.index,
        )
    }
}

impl From<Vote> for Ballot {
    fn from(vote: Vote) -> Self {
        Self {
            term: vote.leader_id.term,
            node: vote.leader_id.node,
            committed: vote.committed,
        }
    }
}

impl From<Ballot> for Vote {
    fn from(ballot: Ballot) -> Self {
        Vote {
            leader_id: Leader {
                term: ballot.term,
                node: ballot.node,
            },
            committed: ballot.committed,
        }
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        let body = match entry.payload {
            EntryPayload::Blank => Body::FirstOfTerm,
            EntryPayload::Normal(payload) => Body::Normal(payload),
            EntryPayload::Membership(membership) => Body::Membership(from_raft(&membership)),
        };
        Self {
            at: entry.log_id.into(),
            body,
        }
    }
}

impl TryFrom<Record> for Entry {
    type Error = io::Error;

    fn try_from(record: Record) -> io::Result<Self> {
        let payload = match record.body {
            Body::FirstOfTerm => EntryPayload::Blank,
            Body::Normal(payload) => EntryPayload::Normal(payload),
            Body::Membership(membership) => EntryPayload::Membership(to_raft(membership)?),
        };
        Ok(Entry {
            log_id: record.at.into(),
            payload,
        })
    }
}

impl From<&StoredMembership> for Configured {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            at: (*stored.log_id()).map(Position::from),
            membership: from_raft(stored.membership()),
        }
    }
}

impl TryFrom<Configured> for StoredMembership {
    type Error = io::Error;

    fn try_from(configured: Configured) -> io::Result<Self> {
        Ok(StoredMembership::new(
            configured.at.map(LogId::from),
            to_raft(configured.membership)?,
        ))
    }
}

impl From<&ImageMeta> for Covered {
    fn from(meta: &ImageMeta) -> Self {
        Self {
            last: meta.last_log_id.map(Position::from),
            configured: Configured::from(&meta.last_membership),
        }
    }
}

impl TryFrom<Covered> for ImageMeta {
    type Error = io::Error;

    fn try_from(covered: Covered) -> io::Result<Self> {
        Ok(ImageMeta {
            last_log_id: covered.last.map(LogId::from),
            last_membership: covered.configured.try_into()?,
        })
    }
}

pub(crate) fn from_raft(membership: &RaftMembership) -> Membership {
    Membership {
        voters: membership.get_joint_config().clone(),
        nodes: membership
            .nodes()
            .map(|(id, node)| (*id, node.clone()))
            .collect(),
    }
}

/// Fails on a set of voters that is empty or names a member without a node: no cluster has written that.
fn to_raft(membership: Membership) -> io::Result<RaftMembership> {
    RaftMembership::new(membership.voters, membership.nodes).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a membership makes no sense: {error}"),
        )
    })
}

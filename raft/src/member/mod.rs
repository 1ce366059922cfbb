//! One member of the group: the store, the core and the listener put together.
//! Forwarding a proposal to the leader is the caller's work.

mod error;
mod settings;

use std::time::Duration;

use tokio::sync::watch;

pub use self::error::{
    InitError, MembershipError, NotAppended, ProposeError, ReadError, StartError, TransferError,
};
pub use self::settings::{ImagePolicy, Peers, Settings, Timing};
use crate::application::{Application, Node, Payload};
use crate::network::PeerClient;
use crate::store::{Appended, Store};
use crate::view::{ConsensusView, Progress};

/// A running member. Clones share it.
#[derive(Clone)]
pub struct Member {
    progress: watch::Receiver<Progress>,
}

/// What a committed and applied proposal gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub index: u64,
    pub term: u64,
    /// [`crate::application::Applied::reply`] of that entry.
    pub bytes: Vec<u8>,
}

impl Member {
    /// Starts the member on an opened store. Its id and cluster are the store's identity.
    pub async fn start(
        _settings: Settings,
        _store: Store,
        _application: impl Application,
        _peers: Peers,
    ) -> Result<Self, StartError> {
        Err(StartError::Fatal(
            "the member has not been started".to_owned(),
        ))
    }

    /// Calls the product's routes of other members, on connections apart from Raft's.
    pub fn peer_client(&self) -> PeerClient {
        PeerClient {}
    }

    /// Forms a cluster of this one voter. Refused when the store already holds a log.
    pub async fn init(&self, _node: Node) -> Result<(), InitError> {
        Err(InitError::Fatal(self.absent()))
    }

    /// Appends, commits and applies one payload here, on the leader. A follower does not forward.
    pub async fn propose(
        &self,
        _payload: Payload,
        _timeout: Duration,
    ) -> Result<Reply, ProposeError> {
        Err(ProposeError::Fatal(self.absent()))
    }

    /// As [`Member::propose`], but appended only while this member leads exactly `term`; otherwise
    /// `NotAppended`. For proposals that were decided on what a term's leader saw.
    pub async fn propose_in_term(
        &self,
        _term: u64,
        _payload: Payload,
        _timeout: Duration,
    ) -> Result<Reply, ProposeError> {
        Err(ProposeError::Fatal(self.absent()))
    }

    /// A linearizable read point: asks the leader (here or over the network) to confirm its leadership
    /// with a majority, then waits until this member has applied up to it. Reads of the application
    /// made after it returns are linearizable.
    pub async fn read_index(&self, _timeout: Duration) -> Result<u64, ReadError> {
        Err(ReadError::Fatal(self.absent()))
    }

    /// Adds a member without a vote and waits until the change is committed, not until it caught up.
    pub async fn add_learner(
        &self,
        _id: u64,
        _node: Node,
        _timeout: Duration,
    ) -> Result<(), MembershipError> {
        Err(MembershipError::Fatal(self.absent()))
    }

    /// Gives a learner a vote.
    pub async fn promote(&self, _id: u64, _timeout: Duration) -> Result<(), MembershipError> {
        Err(MembershipError::Fatal(self.absent()))
    }

    /// Takes a member's vote; it stays a learner.
    pub async fn demote(&self, _id: u64, _timeout: Duration) -> Result<(), MembershipError> {
        Err(MembershipError::Fatal(self.absent()))
    }

    /// Removes a member for good; its id is never used again. The leader cannot remove itself: hand
    /// leadership over first.
    pub async fn remove(&self, _id: u64, _timeout: Duration) -> Result<(), MembershipError> {
        Err(MembershipError::Fatal(self.absent()))
    }

    /// Changes a member's name or address.
    pub async fn set_node(
        &self,
        _id: u64,
        _node: Node,
        _timeout: Duration,
    ) -> Result<(), MembershipError> {
        Err(MembershipError::Fatal(self.absent()))
    }

    /// Hands leadership to a voter that has the whole log and answers, and waits for the outcome.
    /// Returns the new term.
    pub async fn transfer_leader(
        &self,
        _to: u64,
        _timeout: Duration,
    ) -> Result<u64, TransferError> {
        Err(TransferError::Fatal(self.absent()))
    }

    /// What consensus says now.
    pub fn view(&self) -> ConsensusView {
        let now = *self.progress.borrow();
        ConsensusView {
            id: 0,
            leader: now.leader,
            term: now.term,
            role: now.role,
            voters: Default::default(),
            learners: Default::default(),
            nodes: Default::default(),
            membership_changing: false,
            last_applied: now.applied,
            last_log: None,
            quorum_ack_age: None,
            replication: Default::default(),
            running: now.running,
        }
    }

    /// Wakes on every change of applied index, leader, term, role or running state.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The newest entry this member appended to its log.
    pub fn newest_append(&self) -> Option<Appended> {
        None
    }

    /// The newest that is not one of a term's first entries.
    pub fn newest_append_not_opening(&self) -> Option<Appended> {
        None
    }

    /// Journal rows with `from <= key < to`, at most `limit`, in key order, or from the end backwards.
    pub fn journal(
        &self,
        _from: &[u8],
        _to: &[u8],
        _limit: usize,
        _backwards: bool,
    ) -> std::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        Ok(Vec::new())
    }

    /// Hands leadership over when it leads and somebody can take it, stops the core and the listener,
    /// joins the write-ahead thread and closes the database.
    pub async fn shutdown(&self) {}

    fn absent(&self) -> String {
        "the member has not been started".to_owned()
    }
}

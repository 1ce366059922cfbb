//! Changing the group: one change at a time, each waited for until its configuration is committed.
//! Who may join or vote is decided by the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use tokio::time::{Instant, timeout_at};

use super::Member;
use super::error::MembershipError;
use crate::application::Node;
use crate::types::Types;
use crate::view::Role;

type Change = ChangeMembers<u64, Node>;

impl Member {
    /// Adds a member without a vote and waits until the change is committed, not until it caught up.
    pub async fn add_learner(
        &self,
        id: u64,
        node: Node,
        timeout: Duration,
    ) -> Result<(), MembershipError> {
        let view = self.view();
        if let Some(known) = view.nodes.get(&id) {
            return if *known == node {
                Ok(())
            } else {
                refused(format!("member {id} is already {known}"))
            };
        }
        self.change(
            ChangeMembers::AddNodes(BTreeMap::from([(id, node)])),
            true,
            timeout,
        )
        .await
    }

    /// Gives a learner a vote.
    pub async fn promote(&self, id: u64, timeout: Duration) -> Result<(), MembershipError> {
        let view = self.view();
        if view.voters.contains(&id) && !view.membership_changing {
            return Ok(());
        }
        self.change(
            ChangeMembers::AddVoterIds(BTreeSet::from([id])),
            true,
            timeout,
        )
        .await
    }

    /// Takes a member's vote; it stays a learner.
    pub async fn demote(&self, id: u64, timeout: Duration) -> Result<(), MembershipError> {
        self.check_leaves(id)?;
        let view = self.view();
        if view.learners.contains(&id) && !view.membership_changing {
            return Ok(());
        }
        self.change(
            ChangeMembers::RemoveVoters(BTreeSet::from([id])),
            true,
            timeout,
        )
        .await
    }

    /// Removes a member for good; its id is never used again. The leader cannot remove itself: hand
    /// leadership over first.
    pub async fn remove(&self, id: u64, timeout: Duration) -> Result<(), MembershipError> {
        self.check_leaves(id)?;
        let view = self.view();
        let gone = BTreeSet::from([id]);
        let change = match (view.voters.contains(&id), view.nodes.contains_key(&id)) {
            (true, _) => ChangeMembers::RemoveVoters(gone),
            (false, true) => ChangeMembers::RemoveNodes(gone),
            (false, false) => return Ok(()),
        };
        self.change(change, false, timeout).await
    }

    /// Changes a member's name or address.
    pub async fn set_node(
        &self,
        id: u64,
        node: Node,
        timeout: Duration,
    ) -> Result<(), MembershipError> {
        if !self.view().nodes.contains_key(&id) {
            return refused(format!("there is no member {id}"));
        }
        self.change(
            ChangeMembers::SetNodes(BTreeMap::from([(id, node)])),
            true,
            timeout,
        )
        .await
    }

    /// Ends a change whose first half is committed: its second half is the caller's, who may have died or
    /// given up between. `retain`: a voter that leaves stays a learner.
    pub async fn finish(&self, retain: bool, timeout: Duration) -> Result<(), MembershipError> {
        let deadline = Instant::now() + timeout;
        let Ok(_one) = self.0.changing.try_lock() else {
            return Err(MembershipError::InProgress);
        };
        let nothing = ChangeMembers::AddVoterIds(BTreeSet::new());
        self.commit(nothing, retain, deadline).await
    }

    fn check_leaves(&self, id: u64) -> Result<(), MembershipError> {
        if id == self.0.id {
            return refused(
                "the leader cannot take its own vote; hand leadership over first".to_owned(),
            );
        }
        Ok(())
    }

    async fn change(
        &self,
        change: Change,
        retain: bool,
        timeout: Duration,
    ) -> Result<(), MembershipError> {
        let deadline = Instant::now() + timeout;
        let Ok(_one) = self.0.changing.try_lock() else {
            return Err(MembershipError::InProgress);
        };
        let view = self.view();
        if view.role != Role::Leader {
            return Err(MembershipError::NotLeader {
                leader_hint: view.leader,
            });
        }
        if view.membership_changing {
            return Err(MembershipError::InProgress);
        }
        self.commit(change, retain, deadline).await
    }

    async fn commit(
        &self,
        change: Change,
        retain: bool,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        let changed = timeout_at(deadline, self.0.raft.change_membership(change, retain)).await;
        let index = match changed {
            Err(_) => return Err(MembershipError::Unknown),
            Ok(Ok(written)) => written.log_id.index,
            Ok(Err(error)) => return Err(self.failed(error)),
        };
        self.wait_committed(index, deadline).await
    }

    /// The next change must not begin before.
    async fn wait_committed(&self, index: u64, deadline: Instant) -> Result<(), MembershipError> {
        let mut metrics = self.0.raft.metrics();
        loop {
            let done = {
                let now = metrics.borrow_watched();
                let committed = &now.committed_membership_config;
                committed.log_id().is_some_and(|at| at.index >= index)
                    && *committed == now.membership_config
            };
            if done {
                return Ok(());
            }
            match timeout_at(deadline, metrics.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    return Err(MembershipError::Fatal("the core has stopped".to_owned()));
                }
                Err(_) => return Err(MembershipError::Unknown),
            }
        }
    }

    fn failed(&self, error: RaftError<Types, ClientWriteError<Types>>) -> MembershipError {
        let error = match error {
            RaftError::APIError(error) => error,
            RaftError::Fatal(error) => return MembershipError::Fatal(error.to_string()),
        };
        match error {
            ClientWriteError::ForwardToLeader(forward) => MembershipError::NotLeader {
                leader_hint: forward.leader_id,
            },
            ClientWriteError::LogEntryDiscarded(_) => MembershipError::Unknown,
            ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => {
                MembershipError::InProgress
            }
            other => MembershipError::Refused(other.to_string()),
        }
    }
}

fn refused(reason: String) -> Result<(), MembershipError> {
    Err(MembershipError::Refused(reason))
}

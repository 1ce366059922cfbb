//! What consensus says now, copied out of openraft's metrics. Read-only; never trusted when old.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::{Instant, RaftMetrics, ServerState};

use crate::application::{Membership, Node};
use crate::network::leads_alone;
use crate::types::{Types, from_raft};

/// A snapshot of this member's view. Cheap to make: one copy of the metrics, no message to the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsensusView {
    /// This member.
    pub id: u64,
    /// Who leads, as far as this member knows. A leader that lost its quorum still names itself here:
    /// act on it only while `quorum_ack_age` is fresh.
    pub leader: Option<u64>,
    pub term: u64,
    pub role: Role,
    pub voters: BTreeSet<u64>,
    pub learners: BTreeSet<u64>,
    pub nodes: BTreeMap<u64, Node>,
    /// True while the newest configuration is not committed or is in its joint phase.
    pub membership_changing: bool,
    /// Index of the newest entry applied by this member and on its way to disk.
    pub last_applied: Option<u64>,
    /// Index of the newest entry in this member's log.
    pub last_log: Option<u64>,
    /// Age of the newest moment at which a majority acknowledged this leader; `None` when this member
    /// does not lead or was never acknowledged. Zero for a leader that is the only voter.
    pub quorum_ack_age: Option<Duration>,
    /// Progress of every other member; empty unless this member leads.
    pub replication: BTreeMap<u64, Replication>,
    /// False once the core has stopped; the fatal hook has then been called, unless it was shut down.
    pub running: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Learner,
    Follower,
    Candidate,
    Leader,
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replication {
    /// The newest index known to lie in that member's log.
    pub matched: Option<u64>,
    /// Time since that member last acknowledged anything; `None` before its first answer in this term.
    pub last_contact_age: Option<Duration>,
}

/// What changed last; every change of any field wakes the watchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub applied: Option<u64>,
    pub leader: Option<u64>,
    pub term: u64,
    pub role: Role,
    pub running: bool,
}

impl ConsensusView {
    /// `applied` comes from the store: the metrics tell of it only after the proposer was answered.
    pub(crate) fn of(metrics: &RaftMetrics<Types>, applied: Option<u64>) -> Self {
        let membership = from_raft(metrics.membership_config.membership());
        let joint = membership.voters.len() > 1;
        let heard = metrics.heartbeat.as_ref();
        let replication = metrics.replication.iter().flatten();
        let others = replication.filter(|(id, _)| **id != metrics.id);
        // openraft counts the acknowledgements of others, and alone there are none.
        let acked = metrics.last_quorum_acked.map(|at| at.elapsed());
        let quorum_ack_age = if leads_alone(metrics) {
            Some(Duration::ZERO)
        } else {
            acked
        };
        Self {
            id: metrics.id,
            leader: metrics.current_leader,
            term: metrics.current_term,
            role: Role::of(metrics),
            voters: membership.voter_ids(),
            learners: membership.learner_ids(),
            nodes: membership.nodes,
            membership_changing: joint
                || metrics.committed_membership_config != metrics.membership_config,
            last_applied: applied,
            last_log: metrics.last_log_index,
            quorum_ack_age,
            replication: others
                .map(|(id, matched)| {
                    let heard = heard.and_then(|heard| heard.get(id)).copied().flatten();
                    let matched = matched.map(|id| id.index);
                    (
                        *id,
                        Replication {
                            matched,
                            last_contact_age: heard.map(|at| at.elapsed()),
                        },
                    )
                })
                .collect(),
            running: metrics.running_state.is_ok(),
        }
    }

    /// True while this member leads and a majority acknowledged it no longer than `age_max` ago.
    pub fn leads_within(&self, age_max: Duration) -> bool {
        self.role == Role::Leader && self.quorum_ack_age.is_some_and(|age| age <= age_max)
    }

    /// The configuration in the application's own words; the joint phase shows only the union.
    pub fn membership(&self) -> Membership {
        Membership {
            voters: vec![self.voters.clone()],
            nodes: self.nodes.clone(),
        }
    }
}

impl Role {
    fn of(metrics: &RaftMetrics<Types>) -> Self {
        match metrics.state {
            ServerState::Learner => Self::Learner,
            ServerState::Follower => Self::Follower,
            ServerState::Candidate => Self::Candidate,
            ServerState::Leader => Self::Leader,
            ServerState::Shutdown => Self::Stopped,
        }
    }
}

impl Progress {
    pub(crate) fn of(metrics: &RaftMetrics<Types>, applied: Option<u64>) -> Self {
        Self {
            applied,
            leader: metrics.current_leader,
            term: metrics.current_term,
            role: Role::of(metrics),
            running: metrics.running_state.is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{RaftMembership, StoredMembership};

    fn leader_of(voters: BTreeSet<u64>) -> ConsensusView {
        let mut metrics = RaftMetrics::<Types>::new_initial(1);
        metrics.state = ServerState::Leader;
        let membership = RaftMembership::new_with_defaults(vec![voters], [1, 2]);
        metrics.membership_config = StoredMembership::new(None, membership).into();
        ConsensusView::of(&metrics, None)
    }

    #[test]
    fn a_leader_needs_no_acknowledgement_only_when_it_votes_alone() {
        assert!(leader_of([1].into()).leads_within(Duration::ZERO));
        assert!(!leader_of([1, 2].into()).leads_within(Duration::from_secs(60)));
        assert!(!leader_of([2].into()).leads_within(Duration::from_secs(60)));
    }
}

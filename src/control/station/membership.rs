//! Changes of leader and of membership, made by the leader: announced in the log, done by consensus,
//! ended in the log. What nobody asked for but must happen (admitting a joiner, giving it a vote, ending
//! a change that a dead leader announced) is found by looking, not by remembering.

use std::sync::Arc;
use std::time::Duration;

use aegis_updates_raft::application::Node as Seat;
use aegis_updates_raft::member::{MembershipError, TransferError};
use aegis_updates_raft::view::ConsensusView;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Station;
use crate::access::principal::Principal;
use crate::base::ids::{MemberId, NodeName};
use crate::base::limits::VOTERS_MAX;
use crate::control::evidence::caught_up;
use crate::control::peers::wire::{self, Answer, Steer, SteerAnswer, SteerAsk};
use crate::control::reconciler::HANDOFF_TIMEOUT;
use crate::control::replica::Unwritten;
use crate::control::service::{Call, Denied, MemberAct, Unavailable};
use crate::machine::command::{Change, Command};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};

/// A change waits for its configuration to be committed; a learner need not have caught up.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// A request to steer waits for the change and for one move of leadership.
const STEER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request waits for its turn behind another change.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What no request asks for, worked out anew each time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Chore {
    /// A change is half done: whoever began it died, lost the lead or gave up between its halves.
    /// `leaves`: the member that loses its vote by it.
    Finish {
        retain: bool,
        leaves: Option<MemberId>,
    },
    /// A change is announced, and nobody is at it any more.
    Close {
        done: bool,
    },
    Admit {
        member: MemberId,
        seat: Seat,
    },
    Promote {
        node: NodeName,
        member: MemberId,
    },
}

impl Station {
    /// Has the leader do it, wherever it is.
    pub(super) async fn steer_anywhere(&self, ask: SteerAsk) -> Result<Reply, Denied> {
        let answered = self
            .ask_leader(
                wire::STEER,
                &ask,
                || Box::pin(self.steer(&ask)),
                STEER_TIMEOUT,
            )
            .await;
        answered.map_err(Denied::Unavailable)?
    }

    /// Does it, if this member leads.
    pub async fn steer(&self, ask: &SteerAsk) -> SteerAnswer {
        if !self.leads() {
            return Answer::NotLeader;
        }
        let done = async {
            match &ask.act {
                Steer::Transfer { to } => self.transfer(to).await,
                Steer::Change { node, act } => self.change(ask, node, *act).await,
            }
        };
        // What was announced is ended by whoever leads once there is a quorum again.
        tokio::select! {
            answer = done => answer,
            () = self.patience() => Answer::Known(Err(Unavailable::OutcomeUnknown.into())),
        }
    }

    async fn transfer(&self, to: &NodeName) -> SteerAnswer {
        let target = match self.replica.state().node(to) {
            Ok(node) => node.member,
            Err(refusal) => return Answer::Known(Err(refusal.into())),
        };
        if target == self.replica.me() {
            return Answer::Known(Ok(Reply::Unchanged));
        }
        let member = self.replica.member();
        let moved = member.transfer_leader(target.0, HANDOFF_TIMEOUT).await;
        Answer::Known(match moved {
            Ok(_) => Ok(Reply::Done),
            Err(TransferError::NotLeader { .. }) => return Answer::NotLeader,
            Err(error @ (TransferError::BadTarget(_) | TransferError::TargetNotReady(_))) => {
                Err(Denied::Refused(Refusal::WouldLoseQuorum {
                    detail: error.to_string(),
                }))
            }
            Err(error) => {
                tracing::warn!(%to, %error, "leadership was not handed over as asked");
                Err(Denied::Unavailable(Unavailable::OutcomeUnknown))
            }
        })
    }

    async fn change(&self, ask: &SteerAsk, node: &NodeName, act: MemberAct) -> SteerAnswer {
        let member = match self.replica.state().node(node) {
            Ok(node) => node.member,
            Err(refusal) => return Answer::Known(Err(refusal.into())),
        };
        // A leader cannot take its own vote; whoever leads next can.
        if member == self.replica.me() && act != MemberAct::Promote {
            return match self.hand_over_to_any().await {
                true => Answer::NotLeader,
                false => Answer::Known(Err(Denied::Refused(Refusal::WouldLoseQuorum {
                    detail: "this member leads, and no other voter can take over".to_owned(),
                }))),
            };
        }
        let change = match act {
            MemberAct::Promote => Change::Promote { node: node.clone() },
            MemberAct::Demote => Change::Demote { node: node.clone() },
            MemberAct::Remove => Change::Remove {
                node: node.clone(),
                // The leader's own evidence overwrites it on the way into the log.
                reachable: false,
            },
        };
        // The cluster's own chores, a promotion above all, are over soon; nobody need be refused for them.
        let Ok(_one) = timeout(TURN_TIMEOUT, self.changing.lock()).await else {
            return Answer::Known(Err(Refusal::MembershipChanging.into()));
        };
        let by = (ask.actor.clone(), ask.reason.clone());
        Answer::Known(self.announced(by, change, member, None).await)
    }

    async fn hand_over_to_any(&self) -> bool {
        let view = self.replica.consensus();
        let targets = view
            .replication
            .iter()
            .filter(|(id, known)| view.voters.contains(id) && caught_up(known, view.last_log))
            .map(|(id, _)| *id);
        let Some(target) = targets.max_by_key(|id| view.replication.get(id).map(|r| r.matched))
        else {
            return false;
        };
        let member = self.replica.member();
        member
            .transfer_leader(target, HANDOFF_TIMEOUT)
            .await
            .is_ok()
    }

    /// One change from its announcement to its end. `seat` is what an added member is known by.
    async fn announced(
        &self,
        (actor, reason): (Principal, Option<String>),
        change: Change,
        member: MemberId,
        seat: Option<Seat>,
    ) -> Result<Reply, Denied> {
        let open = Call {
            actor,
            reason,
            request: None,
            command: Command::OpenMembership {
                change: change.clone(),
            },
        };
        self.put(open).await?;
        let raft = self.replica.member();
        let done = match (&change, seat) {
            (Change::Add { .. }, Some(seat)) => {
                raft.add_learner(member.0, seat, CHANGE_TIMEOUT).await
            }
            (Change::Promote { .. }, _) => raft.promote(member.0, CHANGE_TIMEOUT).await,
            (Change::Demote { .. }, _) => raft.demote(member.0, CHANGE_TIMEOUT).await,
            (Change::Remove { .. }, _) => raft.remove(member.0, CHANGE_TIMEOUT).await,
            (Change::Add { .. }, None) => Ok(()),
        };
        let ended = match done {
            Ok(()) => true,
            // It may still come to pass; whoever leads then ends the change as it came out.
            Err(MembershipError::Unknown) => {
                return Err(Denied::Unavailable(Unavailable::OutcomeUnknown));
            }
            Err(ref error) => {
                tracing::warn!(?change, %error, "a membership change was given up");
                false
            }
        };
        let close = self.replica.own(Command::CloseMembership { done: ended });
        let reply = self.put(close).await?;
        match done {
            Ok(()) => Ok(reply),
            Err(MembershipError::InProgress) => Err(Refusal::MembershipChanging.into()),
            Err(MembershipError::NotLeader { .. } | MembershipError::Fatal(_)) => {
                Err(Unavailable::NoLeader.into())
            }
            Err(error) => Err(Refusal::WouldLoseQuorum {
                detail: error.to_string(),
            }
            .into()),
        }
    }

    /// A leader cannot take its own vote: it hands over first, and whoever leads then does this.
    async fn finish(&self, retain: bool, leaves: Option<MemberId>) -> Result<Reply, Denied> {
        if leaves == Some(self.replica.me()) {
            self.hand_over_to_any().await;
            return Err(Unavailable::NoLeader.into());
        }
        let member = self.replica.member();
        match member.finish(retain, CHANGE_TIMEOUT).await {
            Ok(()) => Ok(Reply::Done),
            Err(error) => {
                tracing::warn!(%error, "a change that was half done is not finished");
                Err(Unavailable::OutcomeUnknown.into())
            }
        }
    }

    async fn put(&self, call: Call) -> Result<Reply, Denied> {
        let deadline = Instant::now() + self.replica.timeouts().write;
        match self.replica.write_here(&call, deadline).await {
            Ok(written) => written.result.map_err(Denied::Refused),
            Err(Unwritten::Never(lost)) => Err(lost.into()),
            Err(Unwritten::Unknown) => Err(Unavailable::OutcomeUnknown.into()),
        }
    }

    /// One look at what must happen without being asked for, and one step of it.
    async fn tidy(&self) {
        if !self.leads() {
            return;
        }
        let Ok(_one) = self.changing.try_lock() else {
            return;
        };
        let consensus = self.replica.consensus();
        let Some(chore) = chore(&self.replica.state(), &consensus) else {
            return;
        };
        let me = Principal::Member {
            member: self.replica.me(),
        };
        let done = match chore.clone() {
            Chore::Finish { retain, leaves } => self.finish(retain, leaves).await,
            Chore::Close { done } => {
                let close = self.replica.own(Command::CloseMembership { done });
                self.put(close).await
            }
            Chore::Admit { member, seat } => {
                let change = Change::Add { member };
                self.announced((me, None), change, member, Some(seat)).await
            }
            Chore::Promote { node, member } => {
                let change = Change::Promote { node };
                self.announced((me, None), change, member, None).await
            }
        };
        match done {
            Ok(_) => tracing::info!(?chore, "membership brought up to date"),
            Err(denied) => tracing::debug!(?chore, ?denied, "membership is not up to date yet"),
        }
    }
}

/// Does the leader's chores of membership until `stop` changes.
pub async fn keep(station: Arc<Station>, mut stop: watch::Receiver<bool>) {
    loop {
        station.tidy().await;
        tokio::select! {
            _ = stop.changed() => return,
            // How far a learner has caught up changes without an event.
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

fn chore(state: &State, consensus: &ConsensusView) -> Option<Chore> {
    if consensus.membership_changing {
        return state.head.membership.joint.then(|| half_done(state));
    }
    if let Some(change) = &state.head.membership.opened {
        let done = came_to_pass(state, consensus, change);
        return Some(Chore::Close { done });
    }
    let outside = state
        .nodes
        .values()
        .find(|node| !consensus.nodes.contains_key(&node.member.0));
    if let Some(node) = outside {
        return Some(Chore::Admit {
            member: node.member,
            seat: Seat {
                name: node.name.to_string(),
                peer_addr: node.peer.clone(),
            },
        });
    }
    promotion(state, consensus)
}

fn half_done(state: &State) -> Chore {
    let change = state.head.membership.opened.as_ref();
    let leaves = change.and_then(|change| match change {
        Change::Demote { node } | Change::Remove { node, .. } => {
            state.nodes.get(node).map(|node| node.member)
        }
        Change::Promote { .. } | Change::Add { .. } => None,
    });
    Chore::Finish {
        retain: !matches!(change, Some(Change::Remove { .. })),
        leaves,
    }
}

fn came_to_pass(state: &State, consensus: &ConsensusView, change: &Change) -> bool {
    let member = |node: &NodeName| state.nodes.get(node).map(|node| node.member.0);
    match change {
        Change::Add { member } => consensus.nodes.contains_key(&member.0),
        Change::Promote { node } => member(node).is_some_and(|id| consensus.voters.contains(&id)),
        Change::Demote { node } => member(node).is_some_and(|id| !consensus.voters.contains(&id)),
        Change::Remove { node, .. } => {
            member(node).is_some_and(|id| !consensus.nodes.contains_key(&id))
        }
    }
}

/// The next learner to get a vote, so that the number of voters grows to the next odd one.
fn promotion(state: &State, consensus: &ConsensusView) -> Option<Chore> {
    let ready = |node: &&crate::fleet::node::Node| {
        consensus.learners.contains(&node.member.0)
            && !state.head.membership.demoted.contains(&node.member)
            && consensus
                .replication
                .get(&node.member.0)
                .is_some_and(|known| caught_up(known, consensus.last_log))
    };
    let learners: Vec<_> = state.nodes.values().filter(ready).collect();
    let settings = state.head.cluster.as_ref().map(|known| &known.settings);
    let limit = settings.map_or(VOTERS_MAX, |settings| settings.voters_max);
    let voters = consensus.voters.len();
    if voters >= odd_below(limit.min(voters + learners.len())) {
        return None;
    }
    let first = learners.into_iter().min_by_key(|node| node.member)?;
    Some(Chore::Promote {
        node: first.name.clone(),
        member: first.member,
    })
}

/// The largest odd number up to `count`: an even voter adds a way to lose quorum and none to keep it.
const fn odd_below(count: usize) -> usize {
    if count.is_multiple_of(2) {
        count.saturating_sub(1)
    } else {
        count
    }
}

#[cfg(test)]
mod tests {
    use super::odd_below;

    #[test]
    fn two_members_are_one_voter_and_four_are_three() {
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(odd_below), [0, 1, 1, 3, 3, 5, 5]);
    }
}

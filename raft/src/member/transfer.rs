//! Handing leadership over. openraft cannot abort a handoff once begun, so everything that can be known
//! before is checked before: the target votes, answers, and has the whole log.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::TransferError;
use super::{FAREWELL_MAX, Member};
use crate::view::{ConsensusView, Role};

impl Member {
    /// Hands leadership to `to` and waits for the outcome. Gives the new term.
    pub async fn transfer_leader(&self, to: u64, timeout: Duration) -> Result<u64, TransferError> {
        let deadline = Instant::now() + timeout;
        let view = self.view();
        if view.role != Role::Leader {
            return Err(TransferError::NotLeader {
                leader_hint: view.leader,
            });
        }
        if to == self.0.id {
            return Err(TransferError::BadTarget(format!(
                "member {to} leads already"
            )));
        }
        if !view.voters.contains(&to) {
            return Err(TransferError::BadTarget(format!("member {to} is no voter")));
        }
        let term = view.term;
        self.wait_ready(to, term, deadline).await?;
        let begun = self.0.raft.trigger().transfer_leader(to).await;
        begun.map_err(|error| TransferError::Fatal(error.to_string()))?;
        self.wait_outcome(to, term, deadline).await
    }

    /// Waits until the target has every entry and has answered within two heartbeats.
    async fn wait_ready(&self, to: u64, term: u64, deadline: Instant) -> Result<(), TransferError> {
        let heartbeat = Duration::from_millis(self.0.timing.heartbeat_ms);
        loop {
            let view = self.view();
            if view.role != Role::Leader || view.term != term {
                return Err(TransferError::NotLeader {
                    leader_hint: view.leader,
                });
            }
            let Some(lacking) = lacking(&view, to, heartbeat * 3) else {
                return Ok(());
            };
            if Instant::now() + heartbeat >= deadline {
                return Err(TransferError::TargetNotReady(lacking));
            }
            // Heartbeat ages change without an event.
            tokio::time::sleep((heartbeat / 4).max(Duration::from_millis(1))).await;
        }
    }

    async fn wait_outcome(
        &self,
        to: u64,
        term: u64,
        deadline: Instant,
    ) -> Result<u64, TransferError> {
        let mut progress = self.watch();
        let decided =
            progress.wait_for(|now| (now.term > term && now.leader.is_some()) || !now.running);
        let now = match timeout_at(deadline, decided).await {
            Err(_) => return Err(TransferError::TimedOut),
            Ok(Err(_)) => return Err(TransferError::Fatal("the core has stopped".to_owned())),
            Ok(Ok(now)) => *now,
        };
        match now.leader {
            Some(leader) if leader == to => Ok(now.term),
            Some(leader) if now.running => Err(TransferError::WentElsewhere {
                leader,
                term: now.term,
            }),
            _ => Err(TransferError::Fatal("the core has stopped".to_owned())),
        }
    }

    /// To whoever has the most of the log; without a candidate, or when it fails, the others elect.
    pub(super) async fn hand_over_before_leaving(&self) {
        let view = self.view();
        if view.role != Role::Leader {
            return;
        }
        let voters = view
            .replication
            .iter()
            .filter(|(id, _)| view.voters.contains(id));
        let Some((to, _)) = voters.max_by_key(|(_, replication)| replication.matched) else {
            return;
        };
        match self.transfer_leader(*to, FAREWELL_MAX).await {
            Ok(term) => tracing::info!(to, term, "leadership handed over before leaving"),
            Err(error) => tracing::warn!(to, %error, "leaving without handing leadership over"),
        }
    }
}

/// What speaks against handing over to `to` now.
fn lacking(view: &ConsensusView, to: u64, contact_age_max: Duration) -> Option<String> {
    let Some(replication) = view.replication.get(&to) else {
        return Some(format!("nothing is known of member {to} in this term"));
    };
    if replication.matched < view.last_log {
        let (has, of) = (replication.matched, view.last_log);
        return Some(format!("member {to} has the log up to {has:?} of {of:?}"));
    }
    match replication.last_contact_age {
        Some(age) if age <= contact_age_max => None,
        Some(age) => Some(format!("member {to} answered last {age:?} ago")),
        None => Some(format!("member {to} has not answered in this term")),
    }
}

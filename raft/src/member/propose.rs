//! Proposing: one payload appended, committed and applied, or a plain word about whether it may be.

use std::time::Duration;

use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader};
use openraft::impls::ProgressResponder;
use tokio::time::{Instant, timeout_at};

use super::Member;
use super::error::{NotAppended, ProposeError};
use crate::application::Payload;
use crate::types::{Elected, Types};

/// What a committed and applied proposal gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub index: u64,
    pub term: u64,
    /// [`crate::application::Applied::reply`] of that entry.
    pub bytes: Vec<u8>,
}

impl Member {
    /// Appends, commits and applies one payload here, on the leader. A follower does not forward.
    pub async fn propose(
        &self,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Reply, ProposeError> {
        self.submit(None, payload, timeout).await
    }

    /// As [`Member::propose`], but appended only while this member leads exactly `term`; otherwise
    /// `NotAppended`. For proposals that were decided on what that term's leader saw.
    pub async fn propose_in_term(
        &self,
        term: u64,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Reply, ProposeError> {
        self.submit(Some(term), payload, timeout).await
    }

    async fn submit(
        &self,
        term: Option<u64>,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Reply, ProposeError> {
        let deadline = Instant::now() + timeout;
        let (responder, answer) = ProgressResponder::complete_only();
        let mut write = self.0.raft.write(payload).responder(responder);
        if let Some(term) = term {
            write = write.with_leader(Elected {
                term,
                node: self.0.id,
            });
        }
        match timeout_at(deadline, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(ProposeError::Fatal(error.to_string())),
            Err(_) => return Err(ProposeError::Unknown),
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(Ok(written))) => {
                let (index, term) = (written.log_id.index, written.log_id.leader_id.term);
                Ok(Reply {
                    index,
                    term,
                    bytes: written.data,
                })
            }
            Ok(Ok(Err(ClientWriteError::ForwardToLeader(forward)))) => {
                Err(self.refused(&forward, term))
            }
            // Discarded for another leader's log, but it may have reached that leader before.
            Ok(Ok(Err(_))) => Err(ProposeError::Unknown),
            // The core dropped the responder; the entry may be in the log.
            Ok(Err(_)) => Err(match self.view().running {
                true => ProposeError::Unknown,
                false => ProposeError::Fatal("the core has stopped".to_owned()),
            }),
            Err(_) => Err(ProposeError::Unknown),
        }
    }

    fn refused(&self, forward: &ForwardToLeader<Types>, term: Option<u64>) -> ProposeError {
        let leader_hint = forward.leader_id;
        let reason = match forward.reason {
            ForwardReason::LeaseExpired => NotAppended::QuorumLost,
            ForwardReason::LeadershipTransfer => NotAppended::Transferring,
            ForwardReason::NotLeader if leader_hint == Some(self.0.id) && term.is_some() => {
                NotAppended::OtherTerm
            }
            ForwardReason::NotLeader => NotAppended::NotLeader,
        };
        ProposeError::NotAppended {
            leader_hint,
            reason,
        }
    }
}

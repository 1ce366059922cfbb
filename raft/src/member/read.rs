//! Linearizable reads: the leader confirms itself with a majority, here or over the network, and this
//! member waits until it has applied up to the point it was given (Raft §8, "read index").

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Member;
use super::error::ReadError;
use crate::network::{ReadIndexAnswer, read_point};

/// Before another attempt, when the leader that was asked is none any more: at first, and at the slowest,
/// because many may wait at once for a leader that is long in coming.
const ASK_AGAIN: Duration = Duration::from_millis(20);
const ASK_AGAIN_MAX: Duration = Duration::from_millis(160);

impl Member {
    /// Gives the index of the read point. Reads of the application made after it returns are linearizable.
    pub async fn read_index(&self, timeout: Duration) -> Result<u64, ReadError> {
        let deadline = Instant::now() + timeout;
        let index = self.ask_for_point(deadline).await?;
        self.wait_applied(index, deadline).await?;
        Ok(index)
    }

    /// Waits until this member has applied `index`.
    pub async fn applied(&self, index: u64, timeout: Duration) -> Result<(), ReadError> {
        self.wait_applied(index, Instant::now() + timeout).await
    }

    async fn ask_for_point(&self, deadline: Instant) -> Result<u64, ReadError> {
        let mut pause = ASK_AGAIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let leader = self.view().leader;
            let answer = match leader {
                Some(leader) if leader == self.0.id => Some(read_point(&self.0.raft, left).await),
                Some(leader) => self.0.network.read_index(leader, left).await,
                None => None,
            };
            let lost = match answer {
                Some(ReadIndexAnswer::At(index)) => return Ok(index),
                Some(ReadIndexAnswer::QuorumLost) => return Err(ReadError::QuorumLost),
                Some(ReadIndexAnswer::NotLeader) => ReadError::NoLeader,
                None if leader.is_none() => ReadError::NoLeader,
                None => ReadError::TimedOut,
            };
            if !self.view().running {
                return Err(ReadError::Fatal("the core has stopped".to_owned()));
            }
            // Someone else may lead by now; a change of leader wakes at once, the rest is patience.
            let mut progress = self.watch();
            let again = (Instant::now() + pause).min(deadline);
            let moved = progress.wait_for(|now| now.leader != leader || !now.running);
            let _ = timeout_at(again, moved).await;
            pause = ASK_AGAIN_MAX.min(pause * 2);
            if Instant::now() >= deadline {
                return Err(lost);
            }
        }
    }

    async fn wait_applied(&self, index: u64, deadline: Instant) -> Result<(), ReadError> {
        let mut applied = self.0.applied.clone();
        let mut progress = self.watch();
        let waited = async {
            tokio::select! {
                reached = applied.wait_for(|applied| *applied >= Some(index)) => reached.is_ok(),
                _ = progress.wait_for(|now| !now.running) => false,
            }
        };
        match timeout_at(deadline, waited).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ReadError::Fatal("the core has stopped".to_owned())),
            Err(_) => Err(ReadError::TimedOut),
        }
    }
}

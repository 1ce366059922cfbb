//! What this member does for its clients, for other members and for its own host: each request is
//! answered here or by the leader. How it arrives is not known here.

mod begin;
mod join;
mod look;
mod membership;
mod preview;
mod serving;
mod submit;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aegis_updates_raft::pki::Authority;
use aegis_updates_raft::view::Role;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

pub use self::begin::Unobserved;
pub use self::membership::keep;
use super::peers::client::{self, Unanswered};
use super::peers::wire::{Answer, Look};
use super::replica::Replica;
use super::service::{Identity, Unavailable};
use crate::base::ids::MemberId;

/// A question to the leader is asked again this soon after leadership moved.
const AGAIN: Duration = Duration::from_millis(50);

/// What this member needs of the host that it stands on.
pub trait Beside: Send + Sync + 'static {
    /// Whether the artifact answers from this host, and its free disk.
    /// `origins`: where the cluster lets artifacts come from.
    fn look(&self, url: String, origins: Vec<String>) -> BoxFuture<'_, Look>;

    /// The database of this host may be sent requests.
    fn database_ready(&self) -> bool;
}

pub struct Station {
    replica: Replica,
    identity: Identity,
    /// The CA with its key, on the host that formed the cluster.
    authority: Option<Authority>,
    beside: Arc<dyn Beside>,
    /// One membership change from here at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Station {
    pub fn new(
        replica: Replica,
        identity: Identity,
        authority: Option<Authority>,
        beside: Arc<dyn Beside>,
    ) -> Self {
        Self {
            replica,
            identity,
            authority,
            beside,
            changing: tokio::sync::Mutex::new(()),
        }
    }

    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    fn leads(&self) -> bool {
        self.replica.opened_term().is_some()
    }

    /// Ends when this member has known of no quorum for a whole write timeout: whatever waits for one is
    /// answered then, however long it may take with one (SPEC §2).
    async fn patience(&self) {
        let limit = self.replica.timeouts().write;
        let mut left = limit;
        while !left.is_zero() {
            sleep(left).await;
            left = limit.saturating_sub(self.quorum_age());
        }
    }

    /// How long ago consensus last showed this member a quorum: acknowledgements if it leads, else a
    /// leader's voice.
    fn quorum_age(&self) -> Duration {
        let view = self.replica.consensus();
        let age = match view.role {
            Role::Leader => view.quorum_ack_age,
            _ => self.replica.member().leader_contact_age(),
        };
        age.unwrap_or(Duration::MAX)
    }

    /// Puts a question to whoever leads: `here` answers it on the leader itself. Asked again while it is
    /// certain that nobody took it, and given up when there is no quorum.
    async fn ask_leader<'a, A, T, F>(
        &'a self,
        path: &'static str,
        ask: &'a A,
        here: F,
        within: Duration,
    ) -> Result<T, Unavailable>
    where
        A: Serialize + Sync,
        T: DeserializeOwned + Send,
        F: Fn() -> BoxFuture<'a, Answer<T>> + Send,
    {
        let deadline = Instant::now() + within;
        let mut patience = pin!(self.patience());
        loop {
            let view = self.replica.consensus();
            if !view.running {
                return Err(Unavailable::ShuttingDown);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = async {
                match view.leader {
                    Some(leader) if leader == view.id => Ok(here().await),
                    Some(leader) => {
                        let peers = self.replica.member().peer_client();
                        client::ask(&peers, MemberId(leader), path, ask, left).await
                    }
                    None => Ok(Answer::NotLeader),
                }
            };
            let answered = tokio::select! {
                answered = asked => answered,
                () = &mut patience => return Err(Unavailable::OutcomeUnknown),
            };
            match answered {
                Ok(Answer::Known(known)) => return Ok(known),
                Err(Unanswered::Lost(_)) => return Err(Unavailable::OutcomeUnknown),
                Ok(Answer::NotLeader) | Err(Unanswered::NotTaken(_)) => {}
            }
            if Instant::now() + AGAIN >= deadline {
                return Err(Unavailable::NoLeader);
            }
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = &mut patience => return Err(Unavailable::NoLeader),
            }
        }
    }
}

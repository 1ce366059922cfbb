//! One member of the group: the store, the core and the listener put together.
//! Forwarding a proposal to the leader is the caller's work.

mod error;
mod membership;
mod monitor;
mod propose;
mod read;
mod settings;
mod start;
mod transfer;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub use self::error::{
    InitError, MembershipError, NotAppended, ProposeError, ReadError, StartError, TransferError,
};
pub use self::propose::Reply;
pub use self::settings::{ImagePolicy, Peers, Settings, Timing};
use crate::ground::off_runtime;
use crate::network::{Heard, Network, PeerClient};
use crate::store::{Appended, Disk};
use crate::types::Raft;
use crate::view::{ConsensusView, Progress};

/// How long a clean shutdown tries to hand leadership over, and how long it waits for the last user of
/// the database.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// A running member. Clones share it.
#[derive(Clone)]
pub struct Member(Arc<Running>);

struct Running {
    id: u64,
    raft: Raft,
    network: Network,
    timing: Timing,
    progress: watch::Receiver<Progress>,
    applied: watch::Receiver<Option<u64>>,
    heard: Heard,
    /// One membership change at a time, from this member's side.
    changing: tokio::sync::Mutex<()>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    disk: Mutex<Option<Arc<Disk>>>,
}

impl Member {
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Calls the product's routes of other members, on connections apart from Raft's.
    pub fn peer_client(&self) -> PeerClient {
        self.0.network.peer_client()
    }

    /// What consensus says now.
    pub fn view(&self) -> ConsensusView {
        let metrics = self.0.raft.metrics();
        let applied = *self.0.applied.borrow();
        ConsensusView::of(&metrics.borrow_watched(), applied)
    }

    /// Time since a leader was last heard here; `None` before the first. A member that is cut off goes on
    /// naming its last leader in the view, because pre-vote leaves its term alone; this tells. It means
    /// nothing while this member leads.
    pub fn leader_contact_age(&self) -> Option<Duration> {
        self.0.heard.age()
    }

    /// Wakes on every change of applied index, leader, term, role or running state.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.0.progress.clone()
    }

    /// The newest entry this member appended to its log.
    pub fn newest_append(&self) -> Option<Appended> {
        self.disk().and_then(|disk| disk.newest_append())
    }

    /// The newest that is not one of a term's first entries.
    pub fn newest_append_not_opening(&self) -> Option<Appended> {
        self.disk()
            .and_then(|disk| disk.newest_append_not_opening())
    }

    /// Journal rows with `from <= key < to`, at most `limit`, in key order or from the end backwards.
    pub fn journal(
        &self,
        from: &[u8],
        to: &[u8],
        limit: usize,
        backwards: bool,
    ) -> io::Result<Vec<JournalRow>> {
        let disk = self
            .disk()
            .ok_or_else(|| io::Error::other("the member is shut down"))?;
        disk.journal(from, to, limit, backwards)
    }

    /// Hands leadership over when this member leads and somebody can take it, stops the core and the
    /// listener, joins the write-ahead thread and closes the database. Later calls do nothing.
    pub async fn shutdown(&self) {
        let Some(disk) = self
            .0
            .disk
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        else {
            return;
        };
        self.hand_over_before_leaving().await;
        // Nobody listens any more when the tasks have ended already.
        let _ = self.0.stop.send(true);
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::error!(%error, "the core did not stop cleanly");
        }
        let tasks =
            std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that panicked has said so; the others end by themselves.
            let _ = task.await;
        }
        close(disk).await;
    }

    fn disk(&self) -> Option<Arc<Disk>> {
        self.0
            .disk
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A key and its value in the journal column.
pub type JournalRow = (Vec<u8>, Vec<u8>);

/// Ends the write-ahead thread and RocksDB's own, then drops the database once nobody uses it: a process
/// that exits before that may abort in RocksDB's destructors.
async fn close(disk: Arc<Disk>) {
    let deadline = Instant::now() + CLOSE_MAX;
    while Arc::strong_count(&disk) > 1 && Instant::now() < deadline {
        // Tasks of the stopped core drop their handles as they are cancelled; nothing announces it.
        sleep(Duration::from_millis(5)).await;
    }
    if Arc::strong_count(&disk) > 1 {
        tracing::warn!("the database is still in use at shutdown");
    }
    // It joins a thread and waits for background work; an error means that it panicked.
    let _ = off_runtime(move || disk.close()).await;
}

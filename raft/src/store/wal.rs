//! Group commit: one thread that syncs the write-ahead log once for everybody who waits.
//! It writes nothing itself.

use crate::sabotage::Bug;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::acknowledged::Acknowledged;
use super::database::Database;
use crate::fail_point::fail_point;
use crate::ground::{Sender, Worker, worker};

/// Called once the sync that covers a write has ended.
pub(super) type Waiting = Box<dyn FnOnce(io::Result<()>) + Send>;

pub(super) struct Wal {
    waiting: Mutex<Option<Sender<Waiting>>>,
    worker: Mutex<Option<Worker>>,
}

impl Wal {
    pub(super) fn start(
        database: Arc<Database>,
        acknowledged: Arc<Acknowledged>,
    ) -> io::Result<Self> {
        let (sender, worker) = worker("raft-wal", move |group| {
            sync_for(&database, &acknowledged, group);
        })?;
        Ok(Self {
            waiting: Mutex::new(Some(sender)),
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Calls `done` after a sync that began after this call. The write it is about must have been made.
    pub(super) fn sync_then(&self, done: Waiting) {
        let sender = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let refused = match sender {
            Some(sender) => sender.send(done).err().map(|unsent| unsent.0),
            None => Some(done),
        };
        if let Some(done) = refused {
            done(Err(io::Error::other("the store is closed")));
        }
    }

    /// Waits for such a sync.
    pub(super) async fn sync(&self) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.sync_then(Box::new(move |result| {
            // A waiter that gave up needs no answer.
            let _ = sender.send(result);
        }));
        receiver
            .await
            .map_err(|_| io::Error::other("the store was closed during a sync"))?
    }

    /// Ends the thread after what is queued, and waits for it.
    pub(super) fn close(&self) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // It has nothing to tell: a failed sync has tripped the fatal switch.
        if let Some(worker) = worker {
            worker.join();
        }
    }
}

fn sync_for(database: &Database, acknowledged: &Acknowledged, group: Vec<Waiting>) {
    fail_point("log.sync.before");
    let due = acknowledged.due();
    let synced = match Bug::LogNotSynced.is_planted() {
        true => Ok(()),
        false => database.sync(),
    };
    fail_point("log.sync.after");
    let result = synced.and_then(|()| {
        let noted = acknowledged.note(&due);
        noted.inspect_err(|error| {
            let fatal = database.fatal();
            fatal.trip(format_args!("noting what is acknowledged failed: {error}"));
        })
    });
    for done in group {
        done(match &result {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use openraft::storage::{IOFlushed, RaftLogStorage};
    use openraft::type_config::TypeConfigExt;
    use tempfile::TempDir;

    use crate::application::Payload;
    use crate::fatal::Fatal;
    use crate::store::{Identity, Presence, Store};
    use crate::types::{Elected, Entry, EntryPayload, LogId, Types};

    /// The write succeeded and can be read, but the sync that was to cover it failed.
    #[tokio::test]
    async fn an_entry_whose_sync_failed_is_not_acknowledged() {
        let dir = TempDir::new().unwrap();
        let identity = Identity {
            cluster: "paper".to_owned(),
            member: 1,
            incarnation: 1,
        };
        let fatal = Fatal::new(|_| {});
        let store = Store::open(dir.path(), identity, Presence::MayBeNew, fatal.clone()).unwrap();
        // Holds the thread between two syncs while the disk fails.
        let (release, held) = channel::<()>();
        let (reached, before) = channel();
        store.disk.wal.sync_then(Box::new(move |_| {
            reached.send(()).unwrap();
            held.recv().unwrap();
        }));
        before.recv().unwrap();
        let log_id = LogId::new(Elected { term: 1, node: 1 }, 0);
        let payload = EntryPayload::Normal(Payload::new(b"x".to_vec()));
        let (sender, acknowledged) = Types::oneshot();
        let mut log = store.log();
        log.append([Entry { log_id, payload }], IOFlushed::signal(sender))
            .await
            .unwrap();
        assert_eq!(log.get_log_state().await.unwrap().last_log_id, Some(log_id));
        fatal.trip("the disk is gone");
        release.send(()).unwrap();
        assert!(acknowledged.await.unwrap().is_err());
    }
}

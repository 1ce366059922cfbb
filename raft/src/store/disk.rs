//! What the log, the state machine and the images share: the database, the group commit and the few
//! values kept in memory beside it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::acknowledged::{Acknowledged, Promises};
use super::clock::{HostClock, Moment};
use super::columns::{JOURNAL, LOG, index_key, key};
use super::database::Database;
use super::image::Pointer;
use super::log::Newest;
use super::state::AppliedRow;
use super::wal::Wal;
use super::{Appended, Identity, OpenError};
use crate::encoding::decode;
use crate::fatal::Fatal;
use crate::types::{Ballot, LogId, Position, Record, Vote};

pub(crate) struct Disk {
    pub(super) database: Arc<Database>,
    pub(super) wal: Wal,
    pub(super) acknowledged: Arc<Acknowledged>,
    pub(super) clock: Arc<dyn HostClock>,
    pub(super) identity: Identity,
    pub(super) images: PathBuf,
    pub(super) ends: Mutex<Ends>,
    pub(super) vote: Mutex<Option<Vote>>,
    /// The image that a member too far behind would get.
    pub(super) image: Mutex<Option<Pointer>>,
    /// Bytes appended since the newest image began.
    pub(super) log_bytes: AtomicU64,
    /// As in [`AppliedRow`], for the listener, which must not wait for the state machine.
    member_id_max: AtomicU64,
    /// Index of the newest entry whose batch was written.
    applied: watch::Sender<Option<u64>>,
    appended: Mutex<Newest>,
    /// How long the entries of the newest request of a leader were on their way beyond the usual.
    late_ms: AtomicU64,
}

/// The write-ahead thread holds the database; after it the last handle closes it.
impl Drop for Disk {
    fn drop(&mut self) {
        self.wal.close();
    }
}

/// Both ends of the log, exclusive of `purged`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
}

impl Disk {
    pub(super) fn load(
        database: Database,
        clock: Arc<dyn HostClock>,
        identity: Identity,
        dir: &Path,
        images: &Path,
    ) -> Result<Self, OpenError> {
        let unreadable = |error: io::Error| OpenError::Unreadable {
            dir: dir.to_owned(),
            reason: error.to_string(),
        };
        let held = held(&database).map_err(unreadable)?;
        match Acknowledged::open(dir, held).map_err(unreadable)? {
            Ok(acknowledged) => {
                Self::read(database, clock, identity, images, acknowledged).map_err(unreadable)
            }
            Err(acknowledged) => Err(OpenError::Forgotten {
                dir: dir.to_owned(),
                member: identity,
                acknowledged: acknowledged.to_string(),
                held: held.to_string(),
            }),
        }
    }

    fn read(
        database: Database,
        clock: Arc<dyn HostClock>,
        identity: Identity,
        images: &Path,
        acknowledged: Acknowledged,
    ) -> io::Result<Self> {
        let purged = database.meta::<Position>(key::PURGED)?.map(LogId::from);
        let last = last_entry(&database)?;
        let vote = database.meta::<Ballot>(key::VOTE)?.map(Vote::from);
        let image = database.meta::<Pointer>(key::IMAGE)?;
        let applied = database
            .meta::<AppliedRow>(key::APPLIED)?
            .unwrap_or_default();
        let any = database.meta(key::APPENDED)?.flatten();
        let not_opening = database.meta(key::APPENDED_NOT_OPENING)?.flatten();
        let (database, acknowledged) = (Arc::new(database), Arc::new(acknowledged));
        Ok(Self {
            wal: Wal::start(database.clone(), acknowledged.clone())?,
            acknowledged,
            database,
            clock,
            identity,
            images: images.to_owned(),
            ends: Mutex::new(Ends { purged, last }),
            vote: Mutex::new(vote),
            image: Mutex::new(image),
            log_bytes: AtomicU64::new(0),
            member_id_max: AtomicU64::new(applied.member_id_max),
            applied: watch::Sender::new(applied.covered.last.map(|at| at.index)),
            appended: Mutex::new(Newest { any, not_opening }),
            late_ms: AtomicU64::new(0),
        })
    }

    pub(super) fn appended(&self) -> Newest {
        self.appended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn clock(&self) -> Arc<dyn HostClock> {
        self.clock.clone()
    }

    pub(crate) fn arrives_late(&self, late_ms: u64) {
        self.late_ms.store(late_ms, Ordering::Release);
    }

    /// When what is appended now came into being: what this member leads with now, another's when it was sent.
    pub(super) fn appending(&self) -> Moment {
        let now = self.clock.now();
        let vote = *self.vote.lock().unwrap_or_else(PoisonError::into_inner);
        let own = vote.is_some_and(|vote| Ballot::from(vote).node == self.identity.member);
        match self.late_ms.load(Ordering::Acquire) {
            late_ms if !own => now.before(late_ms),
            _ => now,
        }
    }

    pub(super) fn set_appended(&self, newest: Newest) {
        *self.appended.lock().unwrap_or_else(PoisonError::into_inner) = newest;
    }

    pub(super) fn image(&self) -> Option<Pointer> {
        self.image
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn publish(&self, applied: &AppliedRow) {
        self.member_id_max
            .store(applied.member_id_max, Ordering::Release);
        self.applied
            .send_replace(applied.covered.last.map(|at| at.index));
    }

    /// The index of the newest applied entry, told before its proposer is answered.
    pub(crate) fn applied(&self) -> watch::Receiver<Option<u64>> {
        self.applied.subscribe()
    }

    /// The highest member id that was ever in an applied configuration.
    pub(crate) fn member_id_max(&self) -> u64 {
        self.member_id_max.load(Ordering::Acquire)
    }

    pub(crate) fn newest_append(&self) -> Option<Appended> {
        self.appended().any
    }

    pub(crate) fn newest_append_not_opening(&self) -> Option<Appended> {
        self.appended().not_opening
    }

    /// Journal rows with `from <= key < to`, at most `limit`.
    pub(crate) fn journal(
        &self,
        from: &[u8],
        to: &[u8],
        limit: usize,
        backwards: bool,
    ) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let rows = self
            .database
            .rows(JOURNAL, from, to, backwards)?
            .take(limit);
        rows.map(|row| row.map(|(row_key, value)| (row_key.into_vec(), value.into_vec())))
            .collect()
    }

    pub(crate) fn fatal(&self) -> &Fatal {
        self.database.fatal()
    }

    /// How long the write or sync that runs now has been running.
    pub(crate) fn busy_for(&self) -> Duration {
        self.database.busy_for()
    }

    /// Bytes appended to the log since an image was last begun.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn forget_log_bytes(&self) {
        self.log_bytes.store(0, Ordering::Relaxed);
    }

    /// Ends the threads that use the database; after it nothing more becomes durable.
    pub(crate) fn close(&self) {
        self.wal.close();
        self.database.raw().cancel_all_background_work(true);
    }

    /// Stored bytes do not mean what they must: the process ends.
    pub(super) fn damaged(&self, what: String) -> io::Error {
        self.database.fatal().trip(&what);
        io::Error::new(io::ErrorKind::InvalidData, what)
    }
}

/// What the database holds of what its member may have acknowledged.
fn held(database: &Database) -> io::Result<Promises> {
    let purged = database.meta::<Position>(key::PURGED)?.map(LogId::from);
    let last = last_entry(database)?.or(purged);
    Ok(Promises::new(database.meta::<Ballot>(key::VOTE)?, last))
}

fn last_entry(database: &Database) -> io::Result<Option<LogId>> {
    let mut rows = database.rows(LOG, &index_key(0), &index_key(u64::MAX), true)?;
    let Some(row) = rows.next() else {
        return Ok(None);
    };
    let record: Record = decode("log entry", &row?.1)?;
    Ok(Some(record.at.into()))
}

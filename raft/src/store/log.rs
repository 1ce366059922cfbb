//! The log and the vote, as openraft asks for them. All writes go through one writer in the order in
//! which openraft makes them; nothing is acknowledged before the sync that covers it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{LogIdOptionExt, OptionalSend};

use super::Appended;
use super::clock::Moment;
use super::columns::{LOG, index_key, index_of, key};
use super::database::Database;
use super::disk::Disk;
use crate::encoding::{decode, encode};
use crate::fail_point::fail_point;
use crate::ground::rocks::WriteBatch;
use crate::types::{Ballot, Body, Entry, LogId, Position, Record, Types, Vote};

/// Bytes of entries that one replication request carries at most, so that it fits its time limit and
/// the receiver's memory. A single larger entry still travels, alone.
const REPLICATED_BYTES_MAX: usize = 1 << 20;

/// Both the writer and the reader; openraft keeps one of the first and several of the second.
#[derive(Clone)]
pub(crate) struct LogStore(pub(super) Arc<Disk>);

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let ends = self.0.ends.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(LogState {
            last_purged_log_id: ends.purged,
            last_log_id: ends.last.or(ends.purged),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        self.0
            .database
            .put_meta(&mut batch, key::VOTE, &Ballot::from(*vote))?;
        fail_point("vote.before");
        self.0.database.write(batch)?;
        fail_point("vote.written");
        self.0.acknowledged.voted(Ballot::from(*vote));
        self.0.wal.sync().await?;
        fail_point("vote.synced");
        *self.0.vote.lock().unwrap_or_else(PoisonError::into_inner) = Some(*vote);
        Ok(())
    }

    /// Not synced: it only saves a restarted member from showing an older state than before, and the
    /// next group commit carries it along.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed else {
            return Ok(());
        };
        let mut batch = WriteBatch::default();
        self.0
            .database
            .put_meta(&mut batch, key::COMMITTED, &Position::from(committed))?;
        fail_point("committed.before");
        self.0.database.write(batch)?;
        fail_point("committed.written");
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self
            .0
            .database
            .meta::<Position>(key::COMMITTED)?
            .map(LogId::from))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut batch = WriteBatch::default();
        let mut last = None;
        let mut newest = self.0.appended();
        let now = newest.no_older(self.0.appending());
        for entry in entries {
            let record = Record::from(entry);
            newest.note(&record, &now);
            last = Some(LogId::from(record.at));
            batch.put_cf(
                self.0.database.column(LOG)?,
                index_key(record.at.index),
                encode(&record)?,
            );
        }
        if let Some(last) = last {
            newest.put(&self.0.database, &mut batch)?;
            let bytes = u64::try_from(batch.size_in_bytes()).unwrap_or(u64::MAX);
            fail_point("log.append.before");
            self.0.database.write(batch)?;
            fail_point("log.append.written");
            self.0.acknowledged.appended(last);
            self.0.log_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.0
                .ends
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .last = Some(last);
            self.0.set_appended(newest);
        }
        self.0
            .wal
            .sync_then(Box::new(move |result| callback.io_completed(result)));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let lowered = self.0.acknowledged.truncates(last);
        lowered.map_err(|error| {
            self.0
                .damaged(format!("noting a truncation failed: {error}"))
        })?;
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(
            self.0.database.column(LOG)?,
            index_key(last.next_index()),
            index_key(u64::MAX),
        );
        fail_point("log.truncate.before");
        self.0.database.write(batch)?;
        fail_point("log.truncate.written");
        let mut ends = self.0.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.last.index() > last.index() {
            ends.last = last;
        }
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(
            self.0.database.column(LOG)?,
            index_key(0),
            index_key(upto.index + 1),
        );
        self.0
            .database
            .put_meta(&mut batch, key::PURGED, &Position::from(upto))?;
        fail_point("log.purge.before");
        self.0.database.write(batch)?;
        fail_point("log.purge.written");
        self.0.acknowledged.purged(upto);
        let mut ends = self.0.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.purged = Some(upto);
        if ends.last.is_none_or(|last| last.index <= upto.index) {
            ends.last = None;
        }
        Ok(())
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(range, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, REPLICATED_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(*self.0.vote.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LogStore {
    /// Entries of `range` until `bytes_max` is passed; at least one where there is one.
    fn read(&self, range: impl RangeBounds<u64>, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        if start >= end {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut expected = None;
        for row in self
            .0
            .database
            .rows(LOG, &index_key(start), &index_key(end), false)?
        {
            let (row_key, value) = row?;
            let found = index_of(&row_key);
            if expected.is_some() && expected != found {
                return Err(self.0.damaged(format!(
                    "the log has a hole: {expected:?} expected, {found:?} found"
                )));
            }
            expected = found.map(|index| index + 1);
            bytes += value.len();
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            let entry = decode::<Record>("log entry", &value).and_then(Entry::try_from);
            entries.push(entry.map_err(|error| self.0.damaged(error.to_string()))?);
        }
        Ok(entries)
    }
}

/// When this member appended last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) any: Option<Appended>,
    pub(super) not_opening: Option<Appended>,
}

impl Newest {
    /// An entry is no older than the one before it, however its lateness was reckoned.
    fn no_older(&self, now: Moment) -> Moment {
        match &self.any {
            Some(newest)
                if newest.boot_id == now.boot_id && newest.boottime_ms > now.boottime_ms =>
            {
                Moment {
                    boottime_ms: newest.boottime_ms,
                    ..now
                }
            }
            _ => now,
        }
    }

    fn note(&mut self, record: &Record, now: &Moment) {
        let opening = match &record.body {
            Body::FirstOfTerm => true,
            Body::Normal(payload) => payload.opening,
            Body::Membership(_) => false,
        };
        let appended = Appended {
            index: record.at.index,
            term: record.at.term,
            boot_id: now.boot_id.clone(),
            boottime_ms: now.boottime_ms,
            opening,
        };
        if !opening {
            self.not_opening = Some(appended.clone());
        }
        self.any = Some(appended);
    }

    /// A truncation leaves these rows alone: a leader without quorum appends for less than one election
    /// timeout, so what it lost this way makes the time look shorter by no more than that.
    fn put(&self, database: &Database, batch: &mut WriteBatch) -> io::Result<()> {
        database.put_meta(batch, key::APPENDED, &self.any)?;
        database.put_meta(batch, key::APPENDED_NOT_OPENING, &self.not_opening)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use openraft::storage::{IOFlushed, RaftLogStorage};
    use openraft::type_config::TypeConfigExt;
    use openraft::vote::RaftLeaderId;
    use tempfile::TempDir;

    use crate::application::Payload;
    use crate::fatal::Fatal;
    use crate::store::{HostClock, Identity, Moment, Presence, Store};
    use crate::types::{Elected, Entry, EntryPayload, Leader, LogId, Types, Vote};

    struct Set(Arc<AtomicU64>);

    impl HostClock for Set {
        fn now(&self) -> Moment {
            let boottime_ms = self.0.load(Ordering::Relaxed);
            Moment {
                boot_id: "this boot".to_owned(),
                boottime_ms,
                wall_ms: 1_000_000 + boottime_ms.cast_signed(),
            }
        }
    }

    /// Member 1 appends what `leader` leads with, at `now_ms`, and says when that came into being.
    async fn append(store: &Store, clock: &AtomicU64, leader: u64, index: u64, now_ms: u64) -> u64 {
        clock.store(now_ms, Ordering::Relaxed);
        let elected = Elected {
            term: leader,
            node: leader,
        };
        let mut log = store.log();
        let vote = Vote {
            leader_id: Leader::new(leader, leader),
            committed: true,
        };
        log.save_vote(&vote).await.unwrap();
        let payload = EntryPayload::Normal(Payload::new(b"x".to_vec()));
        let log_id = LogId::new(elected, index);
        let (sender, acknowledged) = Types::oneshot();
        log.append([Entry { log_id, payload }], IOFlushed::signal(sender))
            .await
            .unwrap();
        acknowledged.await.unwrap().unwrap();
        let newest = store.disk.newest_append_not_opening().unwrap();
        newest.boottime_ms
    }

    #[tokio::test]
    async fn another_s_late_entry_counts_from_when_it_was_sent_and_an_own_one_from_now() {
        let dir = TempDir::new().unwrap();
        let identity = Identity {
            cluster: "paper".to_owned(),
            member: 1,
            incarnation: 1,
        };
        let clock = Arc::new(AtomicU64::new(0));
        let set = Set(clock.clone());
        let fatal = Fatal::new(|reason| panic!("{reason}"));
        let store =
            Store::open_with_clock(dir.path(), identity, Presence::MayBeNew, fatal, set).unwrap();
        assert_eq!(append(&store, &clock, 2, 0, 10_000).await, 10_000);
        store.disk.arrives_late(8_000);
        assert_eq!(append(&store, &clock, 2, 1, 18_500).await, 10_500);
        assert_eq!(
            append(&store, &clock, 2, 2, 18_400).await,
            10_500,
            "no older"
        );
        assert_eq!(append(&store, &clock, 1, 3, 19_000).await, 19_000);
        store.disk.arrives_late(0);
        assert_eq!(append(&store, &clock, 2, 4, 20_000).await, 20_000);
    }
}

//! RocksDB with the rule that a failed operation ends the process: every call checks the fatal switch,
//! and trips it when RocksDB fails. What is written where is not decided here.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::columns::{AFTER_ALL, META};
use crate::encoding::{decode, encode};
use crate::fatal::Fatal;
use crate::ground::rocks::{
    self, ColumnFamily, DB, Direction, IteratorMode, ReadOptions, WriteBatch,
};

pub(super) struct Database {
    db: DB,
    fatal: Fatal,
    opened: Instant,
    /// Milliseconds after `opened` at which the write or sync now running began; 0 when none runs.
    busy_since_ms: AtomicU64,
}

/// A run of rows in key order.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = io::Result<(Box<[u8]>, Box<[u8]>)>> + 'a>;

impl Database {
    pub(super) fn new(db: DB, fatal: Fatal) -> Self {
        Self {
            db,
            fatal,
            opened: Instant::now(),
            busy_since_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn fatal(&self) -> &Fatal {
        &self.fatal
    }

    pub(super) fn raw(&self) -> &DB {
        &self.db
    }

    /// How long the write or sync that runs now has been running.
    pub(super) fn busy_for(&self) -> Duration {
        match self.busy_since_ms.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self
                .opened
                .elapsed()
                .saturating_sub(Duration::from_millis(since)),
        }
    }

    /// A value of the `meta` column.
    pub(super) fn meta<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> io::Result<Option<T>> {
        self.fatal.check()?;
        let found = self.done("reading", self.db.get_pinned_cf(self.column(META)?, key))?;
        let name = String::from_utf8_lossy(key);
        found
            .map(|bytes| self.ended("reading", decode(&name, &bytes)))
            .transpose()
    }

    pub(super) fn put_meta<T: serde::Serialize>(
        &self,
        batch: &mut WriteBatch,
        key: &[u8],
        value: &T,
    ) -> io::Result<()> {
        batch.put_cf(self.column(META)?, key, encode(value)?);
        Ok(())
    }

    pub(super) fn delete_meta(&self, batch: &mut WriteBatch, key: &[u8]) -> io::Result<()> {
        batch.delete_cf(self.column(META)?, key);
        Ok(())
    }

    pub(super) fn column(&self, name: &str) -> io::Result<&ColumnFamily> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| io::Error::other(format!("the store has no column {name}")))
    }

    /// Writes to the write-ahead log and to memory. Survives the death of the process at once, and a
    /// power cut after the next [`Database::sync`].
    pub(super) fn write(&self, batch: WriteBatch) -> io::Result<()> {
        self.fatal.check()?;
        self.busy(|| self.done("writing", self.db.write(batch)))
    }

    /// Makes everything written before durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.fatal.check()?;
        self.busy(|| self.done("syncing", self.db.flush_wal(true)))
    }

    /// Rows with `from <= key < to`, forwards or from the end backwards.
    pub(super) fn rows<'a>(
        &'a self,
        column: &str,
        from: &[u8],
        to: &[u8],
        backwards: bool,
    ) -> io::Result<Rows<'a>> {
        self.fatal.check()?;
        let mut options = ReadOptions::default();
        options.set_iterate_range(from.to_vec()..to.to_vec());
        let mode = if backwards {
            IteratorMode::From(to, Direction::Reverse)
        } else {
            IteratorMode::From(from, Direction::Forward)
        };
        let rows = self.db.iterator_cf_opt(self.column(column)?, options, mode);
        Ok(Box::new(rows.map(|row| self.done("reading", row))))
    }

    /// The whole of a column.
    pub(super) fn all_rows<'a>(&'a self, column: &str) -> io::Result<Rows<'a>> {
        self.rows(column, &[], AFTER_ALL, false)
    }

    fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        let now_ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        // A call that overlaps an older one must not hide how long that one has been running.
        let mine = self
            .busy_since_ms
            .compare_exchange(0, now_ms.max(1), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        let result = work();
        if mine {
            self.busy_since_ms.store(0, Ordering::Relaxed);
        }
        result
    }

    fn done<T>(&self, doing: &str, result: Result<T, rocks::Error>) -> io::Result<T> {
        self.ended(doing, result.map_err(io::Error::other))
    }

    fn ended<T>(&self, doing: &str, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            self.fatal
                .trip(format_args!("{doing} the store failed: {error}"))
        })
    }
}

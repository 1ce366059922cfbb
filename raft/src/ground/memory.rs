//! A database in memory with as much of RocksDB's face as the store uses. What was written survives the death of a
//! process; a power cut leaves what was synced, and perhaps some of the rest. Every path is a disk that outlives its handles within a run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::replayed::below;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Columns = BTreeMap<&'static str, Rows>;
pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

thread_local! {
    static DISKS: RefCell<BTreeMap<PathBuf, Arc<Mutex<Disk>>>> = const { RefCell::new(BTreeMap::new()) };
}

#[derive(Default)]
struct Disk {
    written: Columns,
    synced: Columns,
    /// In `written`, not in `synced`.
    unsynced: Vec<WriteBatch>,
}

/// All disks of this thread are gone.
pub(super) fn forget() {
    DISKS.with_borrow_mut(BTreeMap::clear);
}

/// Of what lies under `dir`, what was synced is left, and of what was written after it as much as had reached the
/// disk by chance, in its order. Says whether anything was lost.
pub fn power_cut(dir: &Path) -> bool {
    let mut lost = false;
    DISKS.with_borrow(|disks| {
        for (_, disk) in disks.iter().filter(|(path, _)| path.starts_with(dir)) {
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            let mut batches = std::mem::take(&mut disk.unsynced);
            let reached = below(batches.len() as u64 + 1);
            let gone = batches.split_off(usize::try_from(reached).unwrap_or(usize::MAX));
            lost |= !gone.is_empty();
            for batch in batches {
                batch.apply(&mut disk.synced);
            }
            disk.written = disk.synced.clone();
        }
    });
    lost
}

/// Nothing here can fail; RocksDB's can.
#[derive(Debug)]
pub(crate) enum Error {}

impl fmt::Display for Error {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Error {}

pub(crate) struct ColumnFamily(&'static str);

pub(crate) struct DB {
    disk: Arc<Mutex<Disk>>,
    columns: Vec<ColumnFamily>,
}

#[derive(Clone, Default)]
pub(crate) struct WriteBatch {
    changes: Vec<(&'static str, Change)>,
    bytes: usize,
}

#[derive(Clone)]
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

#[derive(Default)]
pub(crate) struct ReadOptions(Option<(Vec<u8>, Vec<u8>)>);

pub(crate) enum Direction {
    Forward,
    Reverse,
}

pub(crate) enum IteratorMode<'a> {
    Start,
    /// From where is said by the range that is read.
    From(#[allow(dead_code)] &'a [u8], Direction),
}

/// The columns as they were.
pub(crate) struct View(Columns);

impl DB {
    pub(crate) fn open(path: &Path, columns: &[&'static str]) -> Self {
        let disk = DISKS.with_borrow_mut(|disks| disks.entry(path.to_owned()).or_default().clone());
        let columns = columns.iter().copied().map(ColumnFamily).collect();
        Self { disk, columns }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cf_handle(&self, name: &str) -> Option<&ColumnFamily> {
        self.columns.iter().find(|column| column.0 == name)
    }

    pub(crate) fn get_pinned_cf(
        &self,
        column: &ColumnFamily,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let disk = self.disk();
        let rows = disk.written.get(column.0);
        Ok(rows.and_then(|rows| rows.get(key)).cloned())
    }

    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut disk = self.disk();
        batch.apply(&mut disk.written);
        disk.unsynced.push(batch);
        Ok(())
    }

    pub(crate) fn flush_wal(&self, _sync: bool) -> Result<(), Error> {
        let mut disk = self.disk();
        for batch in std::mem::take(&mut disk.unsynced) {
            batch.apply(&mut disk.synced);
        }
        Ok(())
    }

    pub(crate) fn iterator_cf_opt(
        &self,
        column: &ColumnFamily,
        ReadOptions(range): ReadOptions,
        mode: IteratorMode<'_>,
    ) -> impl Iterator<Item = Result<Row, Error>> + use<> {
        let (from, to) = range.unwrap_or_default();
        let disk = self.disk();
        let rows = disk.written.get(column.0);
        let range = (Bound::Included(from), Bound::Excluded(to));
        let rows = rows.into_iter().flat_map(|rows| rows.range(range.clone()));
        let mut rows: Vec<_> = rows.map(copied).collect();
        if matches!(mode, IteratorMode::From(_, Direction::Reverse)) {
            rows.reverse();
        }
        rows.into_iter().map(Ok)
    }

    pub(crate) fn snapshot(&self) -> View {
        View(self.disk().written.clone())
    }

    /// There is none.
    pub(crate) fn cancel_all_background_work(&self, _wait: bool) {}
}

impl View {
    pub(crate) fn get_cf(
        &self,
        column: &ColumnFamily,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let rows = self.0.get(column.0);
        Ok(rows.and_then(|rows| rows.get(key)).cloned())
    }

    pub(crate) fn iterator_cf(
        &self,
        column: &ColumnFamily,
        _from: IteratorMode<'_>,
    ) -> impl Iterator<Item = Result<Row, Error>> {
        let rows = self.0.get(column.0);
        rows.into_iter().flatten().map(copied).map(Ok)
    }
}

fn copied((key, value): (&Vec<u8>, &Vec<u8>)) -> Row {
    (key.as_slice().into(), value.as_slice().into())
}

impl WriteBatch {
    fn note(&mut self, column: &ColumnFamily, bytes: usize, change: Change) {
        self.bytes += bytes;
        self.changes.push((column.0, change));
    }

    pub(crate) fn put_cf(
        &mut self,
        column: &ColumnFamily,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) {
        let (key, value) = (key.as_ref().to_vec(), value.as_ref().to_vec());
        self.note(column, key.len() + value.len(), Change::Put(key, value));
    }

    pub(crate) fn delete_cf(&mut self, column: &ColumnFamily, key: impl AsRef<[u8]>) {
        let key = key.as_ref().to_vec();
        self.note(column, key.len(), Change::Delete(key));
    }

    pub(crate) fn delete_range_cf(
        &mut self,
        column: &ColumnFamily,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
    ) {
        let (from, to) = (from.as_ref().to_vec(), to.as_ref().to_vec());
        let bytes = from.len() + to.len();
        self.note(column, bytes, Change::DeleteRange(from, to));
    }

    pub(crate) fn size_in_bytes(&self) -> usize {
        self.bytes
    }

    fn apply(&self, columns: &mut Columns) {
        for (column, change) in &self.changes {
            let rows = columns.entry(column).or_default();
            match change {
                Change::Put(key, value) => drop(rows.insert(key.clone(), value.clone())),
                Change::Delete(key) => drop(rows.remove(key)),
                Change::DeleteRange(from, to) => rows.retain(|key, _| key < from || key >= to),
            }
        }
    }
}

impl ReadOptions {
    pub(crate) fn set_iterate_range(&mut self, range: std::ops::Range<Vec<u8>>) {
        self.0 = Some((range.start, range.end));
    }
}

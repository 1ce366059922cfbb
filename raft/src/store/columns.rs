//! The columns of the database and their keys.
//! What the values mean is said where they are written.

#[cfg(not(feature = "replay"))]
mod tuned;

use std::path::Path;

use crate::ground::rocks::{self, DB};

/// Log entries by index.
pub(super) const LOG: &str = "log";
/// One row each for what is in [`key`].
pub(super) const META: &str = "meta";
/// The application's state.
pub(super) const STATE: &str = "state";
/// The application's journal.
pub(super) const JOURNAL: &str = "journal";

const ALL: [&str; 4] = [LOG, META, STATE, JOURNAL];

/// Keys of the `meta` column.
pub(super) mod key {
    pub(in crate::store) const FORMAT: &[u8] = b"format";
    pub(in crate::store) const IDENTITY: &[u8] = b"identity";
    pub(in crate::store) const VOTE: &[u8] = b"vote";
    pub(in crate::store) const COMMITTED: &[u8] = b"committed";
    pub(in crate::store) const PURGED: &[u8] = b"purged";
    pub(in crate::store) const APPLIED: &[u8] = b"applied";
    pub(in crate::store) const IMAGE: &[u8] = b"image";
    pub(in crate::store) const INSTALLING: &[u8] = b"installing";
    pub(in crate::store) const APPENDED: &[u8] = b"appended";
    pub(in crate::store) const APPENDED_NOT_OPENING: &[u8] = b"appended_not_opening";
}

/// Greater than every key: application keys are shorter than this and log keys have eight bytes.
pub(super) const AFTER_ALL: &[u8] = &[0xff; 1024];

pub(super) fn index_key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

pub(super) fn index_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// Opens the database with all columns; `create` makes it where there is none.
#[cfg(not(feature = "replay"))]
pub(super) fn open(path: &Path, create: bool) -> Result<DB, rocks::Error> {
    tuned::open(path, create)
}

/// The one in memory is made by being opened, and has nothing to tune.
#[cfg(feature = "replay")]
pub(super) fn open(path: &Path, _create: bool) -> Result<DB, rocks::Error> {
    Ok(DB::open(path, &ALL))
}

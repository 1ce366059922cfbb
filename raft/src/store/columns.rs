//! The columns of the database, their keys, and how RocksDB is set up.
//! What the values mean is said where they are written.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBRecoveryMode, LogLevel, Options,
};

/// Log entries by index.
pub(super) const LOG: &str = "log";
/// One row each for what is in [`key`].
pub(super) const META: &str = "meta";
/// The application's state.
pub(super) const STATE: &str = "state";
/// The application's journal.
pub(super) const JOURNAL: &str = "journal";

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

/// A member's database is small and shares its host with the database it updates, so every buffer is.
const WRITE_BUFFERS: usize = 8 << 20;
const COLUMN_WRITE_BUFFER: usize = 2 << 20;
const BLOCK_CACHE: usize = 4 << 20;
const WAL_MAX: u64 = 16 << 20;
/// RocksDB's own text log, which would otherwise grow for ever.
const TEXT_LOG_MAX: usize = 1 << 20;

pub(super) fn index_key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

pub(super) fn index_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// Opens the database with all columns; `create` makes it where there is none.
pub(super) fn open(path: &Path, create: bool) -> Result<DB, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(create);
    options.set_paranoid_checks(true);
    // Tolerates a torn last record, which was never acknowledged, and refuses damage anywhere else.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_db_write_buffer_size(WRITE_BUFFERS);
    options.set_max_total_wal_size(WAL_MAX);
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(TEXT_LOG_MAX);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);

    let cache = Cache::new_lru_cache(BLOCK_CACHE);
    let columns = [LOG, META, STATE, JOURNAL].map(|name| {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&cache);
        let mut options = Options::default();
        options.set_write_buffer_size(COLUMN_WRITE_BUFFER);
        options.set_max_write_buffer_number(2);
        options.set_block_based_table_factory(&blocks);
        ColumnFamilyDescriptor::new(name, options)
    });
    DB::open_cf_descriptors(&options, path, columns)
}

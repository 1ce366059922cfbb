//! How RocksDB is set up. Which columns there are is said above.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBRecoveryMode, LogLevel, Options,
};

/// A member's database is small and shares its host with the database it updates, so every buffer is.
const WRITE_BUFFERS: usize = 8 << 20;
const COLUMN_WRITE_BUFFER: usize = 2 << 20;
const BLOCK_CACHE: usize = 4 << 20;
const WAL_MAX: u64 = 16 << 20;
/// RocksDB's own text log, which would otherwise grow for ever.
const TEXT_LOG_MAX: usize = 1 << 20;

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
    let columns = super::ALL.map(|name| {
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

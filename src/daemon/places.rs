//! Where a daemon's things lie in its data directory, and making those directories.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::agent::files::{self, at};
use crate::config::Config;

#[derive(Debug, Clone)]
pub struct Places {
    pub data_dir: PathBuf,
    pub raft: PathBuf,
    pub ledger: PathBuf,
    pub artifacts: PathBuf,
    pub backups: PathBuf,
    pub tls: PathBuf,
    /// The resident parent's: its socket, its records, its list of binaries.
    pub resident: PathBuf,
}

impl Places {
    pub fn of(config: &Config) -> Self {
        let at = |name: &str| config.node.data_dir.join(name);
        Self {
            data_dir: config.node.data_dir.clone(),
            raft: at("raft"),
            ledger: at("ledger"),
            artifacts: at("artifacts"),
            backups: at("backups"),
            tls: at("tls"),
            resident: at("resident"),
        }
    }

    /// Makes what is missing, for this user alone.
    pub fn create(&self) -> Result<(), files::Error> {
        let Self {
            data_dir,
            raft,
            ledger,
            artifacts,
            backups,
            tls,
            resident,
        } = self;
        for directory in [data_dir, raft, ledger, artifacts, backups, tls, resident] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(at("create the directory", directory))?;
        }
        Ok(())
    }
}

//! What a resident must know, from the host's own configuration and never from the network.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::session::ResourceLimits;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The updater's own data directory: control socket, pid file, list of allowed binaries.
    pub data_dir: PathBuf,
    pub install_path: PathBuf,
    /// Without the program itself.
    pub arguments: Vec<String>,
    /// All that the database gets; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    pub working_dir: PathBuf,
    pub log: PathBuf,
    /// In bytes, for each log file.
    pub log_size_max: u64,
    /// The one being written included.
    pub logs_kept: u32,
    pub stop_timeout: Duration,
    /// SIGKILL when a stop took longer than its timeout. A kill during the save loses data.
    pub kill_after_stop_timeout: bool,
    /// Absent: the resident's own user.
    pub owner: Option<Owner>,
    pub limits: ResourceLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
}

impl Settings {
    /// SURFACE's defaults for a database that is started as `install_path arguments…`.
    pub fn new(data_dir: PathBuf, install_path: PathBuf, arguments: Vec<String>) -> Self {
        Self {
            working_dir: data_dir.clone(),
            log: data_dir.join("database.log"),
            data_dir,
            install_path,
            arguments,
            environment: BTreeMap::new(),
            log_size_max: 50 << 20,
            logs_kept: 5,
            stop_timeout: Duration::from_secs(300),
            kill_after_stop_timeout: false,
            owner: None,
            limits: ResourceLimits::default(),
        }
    }
}

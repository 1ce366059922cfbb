//! The ledger on disk: one JSON file, whole after any crash. What it says is the machine's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use aegis_updates_raft::fail_point::fail_point;

use super::files::{self, at};
use super::machine::Ledger;
use super::resident;
use crate::base::digest::Digest;
use crate::base::ids::NodeName;

/// The ledger's place, and that of the resident's list of binaries that it may start.
#[derive(Debug, Clone)]
pub struct LedgerFile {
    path: PathBuf,
    resident_dir: PathBuf,
    /// The list as this daemon wrote it last. It seldom changes, and every write of it is synced while a
    /// node is in hand. Empty: not written yet; what an earlier daemon wrote may not have been synced.
    allowed: Arc<Mutex<Vec<Digest>>>,
}

#[derive(Debug)]
pub enum Error {
    Io(files::Error),
    /// The ledger is another node's: this directory was copied or renamed.
    Foreign {
        path: PathBuf,
        owner: NodeName,
    },
}

impl LedgerFile {
    pub fn new(ledger_dir: &Path, resident_dir: &Path) -> Self {
        Self {
            path: ledger_dir.join("ledger.json"),
            resident_dir: resident_dir.to_owned(),
            allowed: Arc::default(),
        }
    }

    /// What this host wrote last; a new ledger where there is none. A damaged one is an error: to forget
    /// a generation would be to act on an older one.
    pub fn load(&self, node: &NodeName) -> Result<Ledger, Error> {
        let Some(bytes) = files::read_if_present(&self.path).map_err(Error::Io)? else {
            return Ok(Ledger::new(node.clone()));
        };
        let ledger: Ledger = serde_json::from_slice(&bytes)
            .map_err(|error| at("understand", &self.path)(io::Error::other(error)))
            .map_err(Error::Io)?;
        if ledger.node == *node {
            Ok(ledger)
        } else {
            Err(Error::Foreign {
                path: self.path.clone(),
                owner: ledger.node,
            })
        }
    }

    /// Durable when it returns. The list of binaries comes first: a database must be startable by the
    /// time the ledger says that it may have been stopped.
    pub fn save(&self, ledger: &Ledger) -> Result<(), files::Error> {
        let startable: Vec<Digest> = ledger.startable().into_iter().collect();
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        // Before anything was seen healthy whatever is installed may run.
        if !startable.is_empty() && *allowed != startable {
            fail_point("ledger.allowed.before");
            resident::write_allowed(&self.resident_dir, &startable)?;
            fail_point("ledger.allowed.after");
            *allowed = startable;
        }
        drop(allowed);
        let bytes = serde_json::to_vec(ledger)
            .map_err(|error| at("encode", &self.path)(io::Error::other(error)))?;
        fail_point("ledger.save.before");
        files::write_durably(&self.path, &bytes, 0o600)?;
        fail_point("ledger.save.after");
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Foreign { path, owner } => write!(
                f,
                "{} is the ledger of node {owner}: give this node a data directory of its own",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&error.source),
            Self::Foreign { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::spec::Binary;

    #[test]
    fn what_was_saved_is_loaded_and_only_by_its_own_node() {
        let directory = tempfile::tempdir().unwrap();
        let file = LedgerFile::new(directory.path(), directory.path());
        let name: NodeName = "node-1".parse().unwrap();
        let mut ledger = file.load(&name).unwrap();
        ledger.sequence = 7;
        file.save(&ledger).unwrap();
        assert_eq!(file.load(&name).unwrap(), ledger);

        let listed = |of: &[u8]| {
            let entries = std::fs::read_dir(directory.path()).unwrap();
            let mut files = entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()));
            files.any(|text| text.unwrap().contains(&Digest::of(of).to_string()))
        };
        for binary in [b"one", b"two"] {
            ledger.good = Some(Binary {
                version: "1.0.0".to_owned(),
                digest: Digest::of(binary),
            });
            file.save(&ledger).unwrap();
            std::fs::remove_file(directory.path().join("ledger.json")).unwrap();
            assert!(listed(binary), "the resident may start what is good");
            file.save(&ledger).unwrap();
        }
        let other: NodeName = "node-2".parse().unwrap();
        assert!(matches!(file.load(&other), Err(Error::Foreign { .. })));
        std::fs::write(directory.path().join("ledger.json"), b"{").unwrap();
        assert!(matches!(file.load(&name), Err(Error::Io(_))));
    }
}

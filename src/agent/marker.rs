//! The marker beside the install path that names the cluster owning it, so that two clusters' daemons
//! never put binaries in the same place. Knows no membership: ids are text here.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aegis_updates_raft::fail_point::fail_point;
use serde::{Deserialize, Serialize};

use super::files::{self, at};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    cluster: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    New,
    AlreadyOurs,
}

#[derive(Debug)]
pub enum Error {
    Io(files::Error),
    /// The install path belongs to another cluster.
    Foreign {
        marker: PathBuf,
        owner: String,
    },
    Damaged {
        marker: PathBuf,
    },
}

/// Marks the install path as this cluster's. Blocking; safe against another daemon doing the same.
pub fn claim(install_path: &Path, cluster: &str) -> Result<Claim, Error> {
    let marker = path(install_path);
    let words = Marker {
        cluster: cluster.to_owned(),
    };
    let bytes = serde_json::to_vec(&words)
        .map_err(|error| Error::Io(at("encode", &marker)(io::Error::other(error))))?;
    // A name of its own for each daemon: two that claim at once must not write one file.
    let aside = files::beside(&marker, "", &format!(".{}", std::process::id()));
    files::write_durably(&aside, &bytes, 0o644).map_err(Error::Io)?;
    // A link, unlike a rename, fails when the name is taken: the first daemon wins.
    fail_point("marker.before");
    let linked = fs::hard_link(&aside, &marker);
    fail_point("marker.linked");
    files::remove_durably(&aside).map_err(Error::Io)?;
    match linked {
        Ok(()) => {
            files::sync_parent(&marker).map_err(Error::Io)?;
            Ok(Claim::New)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match owner(install_path)? {
            Some(owner) if owner == cluster => Ok(Claim::AlreadyOurs),
            Some(owner) => Err(Error::Foreign { marker, owner }),
            None => Err(Error::Damaged { marker }),
        },
        Err(error) => Err(Error::Io(at("create", &marker)(error))),
    }
}

/// The cluster that owns the install path; `None`: nobody has claimed it.
pub fn owner(install_path: &Path) -> Result<Option<String>, Error> {
    let marker = path(install_path);
    let Some(bytes) = files::read_if_present(&marker).map_err(Error::Io)? else {
        return Ok(None);
    };
    match serde_json::from_slice::<Marker>(&bytes) {
        Ok(words) => Ok(Some(words.cluster)),
        Err(_) => Err(Error::Damaged { marker }),
    }
}

/// Gives the install path back. Another cluster's marker stays.
pub fn release(install_path: &Path, cluster: &str) -> Result<(), Error> {
    match owner(install_path)? {
        None => Ok(()),
        Some(owner) if owner == cluster => {
            files::remove_durably(&path(install_path)).map_err(Error::Io)
        }
        Some(owner) => Err(Error::Foreign {
            marker: path(install_path),
            owner,
        }),
    }
}

fn path(install_path: &Path) -> PathBuf {
    files::beside(install_path, ".", ".aegis-updates-cluster")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Foreign { marker, owner } => write!(
                f,
                "{} says that the cluster {owner} owns this database: configure another install path, or remove that file if that cluster is gone",
                marker.display()
            ),
            Self::Damaged { marker } => write!(
                f,
                "{} cannot be read as an owner's marker: see who wrote it, then remove it",
                marker.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&error.source),
            Self::Foreign { .. } | Self::Damaged { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cluster_owns_and_another_is_refused_until_it_is_released() {
        let directory = tempfile::tempdir().unwrap();
        let install_path = directory.path().join("database");
        assert_eq!(owner(&install_path).unwrap(), None);
        assert_eq!(claim(&install_path, "c1").unwrap(), Claim::New);
        assert_eq!(claim(&install_path, "c1").unwrap(), Claim::AlreadyOurs);
        for refused in [
            claim(&install_path, "c2").map(drop),
            release(&install_path, "c2"),
        ] {
            assert!(matches!(refused, Err(Error::Foreign { owner, .. }) if owner == "c1"));
        }
        release(&install_path, "c1").unwrap();
        assert_eq!(claim(&install_path, "c2").unwrap(), Claim::New);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_marker_that_cannot_be_read_is_nobodys_and_refused() {
        let directory = tempfile::tempdir().unwrap();
        let install_path = directory.path().join("database");
        fs::write(path(&install_path), b"{}").unwrap();
        assert!(matches!(
            claim(&install_path, "c1"),
            Err(Error::Damaged { .. })
        ));
    }
}

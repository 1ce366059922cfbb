//! Whose store a directory holds, and why one is not opened. Nothing is read from disk here.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Whose store this is. Written when the store is made and compared at every open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub cluster: String,
    pub member: u64,
    /// Grows when a cluster is recovered after losing its majority for good.
    pub incarnation: u64,
}

/// What the caller knows about the store it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A member that forms or joins: the store may be absent, or be one that the same identity began.
    MayBeNew,
    /// A member that has been part of the cluster: an absent or empty store is an error, because an
    /// emptied member under its old id would take back promises that it gave.
    MustExist,
}

/// Why a store was not opened.
#[derive(Debug)]
pub enum OpenError {
    /// There is no store under an identity that had one.
    Empty { dir: PathBuf, expected: Identity },
    /// The store belongs to somebody else.
    Foreign {
        dir: PathBuf,
        expected: Identity,
        found: Identity,
    },
    /// It holds less than its member has acknowledged.
    Forgotten {
        dir: PathBuf,
        member: Identity,
        acknowledged: String,
        held: String,
    },
    /// A newer version wrote it.
    NewerFormat {
        dir: PathBuf,
        found: u32,
        supported: u32,
    },
    /// It cannot be read: damage, another process holding it, or an input/output error.
    Unreadable { dir: PathBuf, reason: String },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { dir, expected } => write!(
                f,
                "{} holds no store, but {expected} had one; an emptied member must not come back under its old id: remove it from the cluster and join it anew",
                dir.display()
            ),
            Self::Foreign {
                dir,
                expected,
                found,
            } => {
                write!(
                    f,
                    "{} holds the store of {found}, not of {expected}; point the daemon at its own data directory",
                    dir.display()
                )
            }
            Self::Forgotten {
                dir,
                member,
                acknowledged,
                held,
            } => write!(
                f,
                "the store in {} has forgotten what {member} acknowledged: {acknowledged} were, {held} are there. It was put back from an old copy, or its disk lost writes; with it the member would take promises back. Remove the member from the cluster, delete {} and join anew: it gets a new id",
                dir.display(),
                dir.display()
            ),
            Self::NewerFormat {
                dir,
                found,
                supported,
            } => write!(
                f,
                "{} was written by a newer version (store format {found}, this one reads up to {supported}); start the newer daemon",
                dir.display()
            ),
            Self::Unreadable { dir, reason } => write!(
                f,
                "the store in {} cannot be opened: {reason}",
                dir.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "member {} of cluster {} (incarnation {})",
            self.member, self.cluster, self.incarnation
        )
    }
}

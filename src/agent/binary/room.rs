//! Whether a directory's disk has room, in bytes and in files. Nothing is reserved or removed here.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::agent::files::errno_at;

/// What is free for a process without special rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub bytes: u64,
    /// `u64::MAX` where the file system counts none.
    pub inodes: u64,
}

pub fn room(directory: &Path) -> Result<Room, Error> {
    let found = rustix::fs::statvfs(directory)
        .map_err(errno_at("ask for the room in", directory))
        .map_err(Error::Staging)?;
    Ok(Room {
        bytes: found.f_bavail.saturating_mul(found.f_frsize),
        inodes: if found.f_files == 0 {
            u64::MAX
        } else {
            found.f_favail
        },
    })
}

/// Refuses when less is free than is needed.
pub fn require_room(directory: &Path, bytes: u64, inodes: u64) -> Result<(), Error> {
    let free = room(directory)?;
    if free.bytes >= bytes && free.inodes >= inodes {
        return Ok(());
    }
    Err(Error::NoRoom(Shortage {
        directory: directory.to_owned(),
        needed: Room { bytes, inodes },
        free,
    }))
}

/// A disk that has less free than is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    pub directory: PathBuf,
    pub needed: Room,
    pub free: Room,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            directory,
            needed,
            free,
        } = self;
        write!(
            f,
            "{} has room for {} bytes and {} files, {} and {} are needed: free some",
            directory.display(),
            free.bytes,
            free.inodes,
            needed.bytes,
            needed.inodes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::Class;

    #[test]
    fn what_fits_passes_and_what_does_not_says_how_much_is_free() {
        let directory = tempfile::tempdir().unwrap();
        require_room(directory.path(), 1, 1).unwrap();
        let error = require_room(directory.path(), u64::MAX, 1).unwrap_err();
        assert_eq!(error.class(), Class::DiskFull);
        assert!(
            matches!(&error, Error::NoRoom(shortage) if shortage.free.bytes > 0),
            "{error}"
        );
    }

    #[test]
    fn files_are_counted_apart_from_bytes() {
        let directory = tempfile::tempdir().unwrap();
        if room(directory.path()).unwrap().inodes == u64::MAX {
            println!("skipped: this file system counts no inodes");
            return;
        }
        let error = require_room(directory.path(), 1, u64::MAX).unwrap_err();
        assert!(matches!(error, Error::NoRoom(_)), "{error}");
    }
}

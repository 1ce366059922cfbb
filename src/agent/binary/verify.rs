//! The SHA-256 of files: read from a descriptor, so that what is checked is what is used.

use crate::base::sabotage::Bug;
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::Error;
use crate::agent::files::{self, at};
use crate::base::digest::Digest;

/// Large enough that the system calls cost nothing beside the hashing.
const CHUNK: usize = 256 * 1024;
/// Executables of one database and its predecessors; beyond this the cache starts anew.
const DIGESTS_MAX: usize = 64;

/// The whole file behind a descriptor, whose position does not move.
pub fn digest_of(file: &File) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut chunk, offset)?;
        if read == 0 {
            return Ok(Digest::from_bytes(hasher.finalize().into()));
        }
        // `read_at` never reports more than the buffer holds.
        hasher.update(&chunk[..read]);
        offset += read as u64;
    }
}

/// Reads the file again and compares.
pub async fn verify_sha256(path: &Path, expected: &Digest) -> Result<(), Error> {
    let (path, expected) = (path.to_owned(), *expected);
    files::off_runtime(move || verify(&path, &expected)).await
}

pub(super) fn verify(path: &Path, expected: &Digest) -> Result<(), Error> {
    let file = File::open(path)
        .map_err(at("open", path))
        .map_err(Error::Staging)?;
    let found = digest_of(&file)
        .map_err(at("read", path))
        .map_err(Error::Staging)?;
    if found == *expected || Bug::DigestNotVerified.is_planted() {
        Ok(())
    } else {
        Err(Error::mismatch(path, expected, found))
    }
}

/// What makes it worth hashing a file again. Nobody can set the time of the last change (`ctime`) back,
/// so bytes that changed show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified_s: i64,
    modified_ns: i64,
    changed_s: i64,
    changed_ns: i64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
            changed_s: metadata.ctime(),
            changed_ns: metadata.ctime_nsec(),
        }
    }
}

/// Digests of files that are asked for again and again, such as the executable of a running process.
#[derive(Debug, Default)]
pub struct Digests {
    known: Mutex<BTreeMap<Identity, Digest>>,
}

impl Digests {
    /// The digest of `path`, hashed only when the file is another one than last time. Blocking.
    pub fn of_path(&self, path: &Path) -> Result<Digest, files::Error> {
        let file = File::open(path).map_err(at("open", path))?;
        self.of_file(&file).map_err(at("read", path))
    }

    pub fn of_file(&self, file: &File) -> io::Result<Digest> {
        let identity = Identity::of(&file.metadata()?);
        if let Some(digest) = self.lock().get(&identity) {
            return Ok(*digest);
        }
        let digest = digest_of(file)?;
        // A file that changed while it was read is not remembered.
        if Identity::of(&file.metadata()?) == identity {
            let mut known = self.lock();
            if known.len() >= DIGESTS_MAX {
                known.clear();
            }
            known.insert(identity, digest);
        }
        Ok(digest)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Identity, Digest>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_flipped_bit_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("binary");
        let mut bytes = vec![7; CHUNK + 3];
        fs::write(&path, &bytes).unwrap();
        let expected = Digest::of(&bytes);
        verify_sha256(&path, &expected).await.unwrap();
        bytes[CHUNK] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = verify_sha256(&path, &expected).await.unwrap_err();
        assert!(
            matches!(error, Error::DigestMismatch { found, .. } if found == Digest::of(&bytes)),
            "{error}"
        );
    }

    #[test]
    fn a_cached_digest_follows_a_replaced_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("binary");
        let digests = Digests::default();
        fs::write(&path, b"old").unwrap();
        assert_eq!(digests.of_path(&path).unwrap(), Digest::of(b"old"));
        let aside = directory.path().join("aside");
        fs::write(&aside, b"new").unwrap();
        fs::rename(&aside, &path).unwrap();
        assert_eq!(digests.of_path(&path).unwrap(), Digest::of(b"new"));
        assert_eq!(digests.lock().len(), 2);
    }
}

//! Staging: the fetched file becomes a program that may be run here. Verified before it is read.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aegis_updates_raft::fail_point::fail_point;

use super::{Error, elf, verify};
use crate::agent::files::{self, at};
use crate::base::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    pub path: PathBuf,
    pub digest: Digest,
    pub size: u64,
}

/// Checks digest, wholeness and machine through one descriptor, and makes the file executable.
pub async fn stage_binary(path: &Path, expected: &Digest) -> Result<Staged, Error> {
    let (path, expected) = (path.to_owned(), *expected);
    files::off_runtime(move || stage(path, &expected)).await
}

fn stage(path: PathBuf, expected: &Digest) -> Result<Staged, Error> {
    let file = File::open(&path)
        .map_err(at("open", &path))
        .map_err(Error::Staging)?;
    let found = verify::digest_of(&file)
        .map_err(at("read", &path))
        .map_err(Error::Staging)?;
    if found != *expected {
        return Err(Error::mismatch(&path, expected, found));
    }
    elf::check(&file, &path)?;
    fail_point("stage.before");
    let settled = file
        .set_permissions(Permissions::from_mode(0o755))
        .and_then(|()| file.sync_all())
        .and_then(|()| file.metadata());
    let size = settled
        .map_err(at("make executable", &path))
        .map_err(Error::Staging)?
        .len();
    fail_point("stage.after");
    Ok(Staged {
        path,
        digest: found,
        size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_whole_program_becomes_executable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("artifact");
        let bytes = fs::read("/bin/true").unwrap();
        fs::write(&path, &bytes).unwrap();
        let staged = stage_binary(&path, &Digest::of(&bytes)).await.unwrap();
        assert_eq!(staged.size, bytes.len() as u64);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[tokio::test]
    async fn an_unverified_file_is_not_even_parsed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("artifact");
        fs::write(&path, b"no program at all").unwrap();
        let error = stage_binary(&path, &Digest::of(b"other"))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(
            mode & 0o111,
            0,
            "a refused file stays without execute permission"
        );
    }
}

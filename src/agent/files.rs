//! Files that are wholly there or not there at all, and work on them away from the runtime's threads.
//! What a file means is known by whoever writes it.

use crate::base::sabotage::Bug;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aegis_updates_raft::fail_point::fail_point;

/// Input or output failed; the text does not repeat the source.
#[derive(Debug)]
pub struct Error {
    /// What was tried, as in "cannot rename".
    pub doing: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl Error {
    /// No room, no inodes, or over quota: the remedy is the operator's, and no retry helps.
    pub fn is_disk_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.doing, self.path.display())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// The error for a failed call: `.map_err(at("open", path))`.
pub fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error {
        doing,
        path,
        source,
    }
}

/// As `at`, for system calls that answer with a bare error number.
pub fn errno_at(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(rustix::io::Errno) -> Error + use<> {
    let failed = at(doing, path);
    move |errno| failed(errno.into())
}

/// Replaces `path` by a file of these bytes; after a crash it is the old or the new one, whole.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let aside = beside(path, ".", ".writing");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&aside)
        .map_err(at("create", &aside))?;
    file.write_all(bytes).map_err(at("write", &aside))?;
    fail_point("files.written");
    if !Bug::BytesNotSynced.is_planted() {
        file.sync_all().map_err(at("sync", &aside))?;
    }
    fail_point("files.synced");
    rename_durably(&aside, path)
}

/// Renames within one directory and syncs it.
pub fn rename_durably(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(at("rename to", to))?;
    fail_point("files.renamed");
    if Bug::RenameNotSynced.is_planted() {
        return Ok(());
    }
    sync_parent(to)
}

/// Removes a file, durably; one that is not there is removed already.
pub fn remove_durably(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => {
            fail_point("files.removed");
            sync_parent(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at("remove", path)(error)),
    }
}

/// A rename, a creation or a removal lasts only once the directory that holds it is synced.
pub fn sync_parent(path: &Path) -> Result<(), Error> {
    let directory = parent(path);
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(at("sync the directory", directory))
}

/// `None`: there is no such file.
pub fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("read", path)(error)),
    }
}

/// The sibling of `path` called `<before><its name><after>`.
pub fn beside(path: &Path, before: &str, after: &str) -> PathBuf {
    let mut name = OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(after);
    path.with_file_name(name)
}

/// The directory that holds `path`; for a bare name, the working directory.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Runs blocking work on a thread for such work and waits for it.
#[cfg(not(feature = "replay"))]
pub async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels such work, and it drops this future next.
            Err(_) => std::future::pending().await,
        },
    }
}

/// A run that is replayed has one thread.
#[cfg(feature = "replay")]
pub async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    work()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_durable_write_replaces_the_file_and_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        write_durably(&path, b"one", 0o600).unwrap();
        write_durably(&path, b"two", 0o600).unwrap();
        assert_eq!(
            read_if_present(&path).unwrap().as_deref(),
            Some(&b"two"[..])
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_act_and_the_path_and_knows_a_full_disk() {
        let missing = Path::new("/nonexistent/file");
        let error = write_durably(missing, b"", 0o600).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot create /nonexistent/.file.writing"
        );
        assert!(error.is_not_found());
        assert!(!error.is_disk_full());
        assert!(errno_at("write", missing)(rustix::io::Errno::NOSPC).is_disk_full());
        assert!(errno_at("write", missing)(rustix::io::Errno::DQUOT).is_disk_full());
    }

    #[tokio::test]
    async fn work_away_from_the_runtime_gives_back_its_result() {
        assert_eq!(off_runtime(|| 6 * 7).await, 42);
    }
}

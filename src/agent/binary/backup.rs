//! Keeping the binary that runs now: by its SHA-256, so that rollback needs no origin and no room.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aegis_updates_raft::fail_point::fail_point;

use super::{Error, copy, verify};
use crate::agent::files::{self, at};
use crate::agent::process::proc;
use crate::base::digest::Digest;

/// Which file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// The very file that this process executes, whatever its path holds by now.
    Process(u32),
    /// The installed file, when no process runs.
    Path(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// `<directory>/<SHA-256>`.
    pub path: PathBuf,
    pub digest: Digest,
    pub size: u64,
    /// False: it was kept already, and was verified again.
    pub copied: bool,
}

/// Copies the binary into `directory`, synced and read back.
pub async fn backup_current_binary(running: Running, directory: &Path) -> Result<Backup, Error> {
    let directory = directory.to_owned();
    files::off_runtime(move || backup(&running, &directory)).await
}

/// True when this binary is kept in `directory`. It then lasts: whoever renamed it may have died before the
/// directory was synced.
pub async fn kept_durably(directory: &Path, digest: &Digest) -> Result<bool, Error> {
    let (path, digest) = (directory.join(digest.to_string()), *digest);
    files::off_runtime(move || is_kept(&path, &digest)).await
}

fn is_kept(path: &Path, digest: &Digest) -> Result<bool, Error> {
    let is_whole = path.exists() && verify::verify(path, digest).is_ok();
    if is_whole {
        files::sync_parent(path).map_err(Error::Applying)?;
    }
    Ok(is_whole)
}

fn backup(running: &Running, directory: &Path) -> Result<Backup, Error> {
    let (source, name) = match running {
        Running::Process(pid) => (
            proc::open_executable(*pid),
            PathBuf::from(format!("/proc/{pid}/exe")),
        ),
        Running::Path(path) => (File::open(path), path.clone()),
    };
    let applying = |doing, path: &Path| {
        let failed = at(doing, path);
        move |error| Error::Applying(failed(error))
    };
    let source = source.map_err(applying("open", &name))?;
    let digest = verify::digest_of(&source).map_err(applying("read", &name))?;
    let size = source.metadata().map_err(applying("look at", &name))?.len();
    let path = directory.join(digest.to_string());
    let kept = |copied| Backup {
        path: path.clone(),
        digest,
        size,
        copied,
    };
    if is_kept(&path, &digest)? {
        return Ok(kept(false));
    }
    // What lies there and does not verify is replaced by the rename below.
    let aside = files::beside(&path, ".", ".part");
    let copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o700)
        .open(&aside)
        .map_err(applying("create", &aside))?;
    fail_point("backup.created");
    copy::fill(&source, &copy).map_err(applying("copy to", &aside))?;
    fail_point("backup.copied");
    copy.sync_all().map_err(applying("sync", &aside))?;
    let found = verify::digest_of(&copy).map_err(applying("read back", &aside))?;
    if found != digest {
        return Err(Error::mismatch(&aside, &digest, found));
    }
    fail_point("backup.synced");
    files::rename_durably(&aside, &path).map_err(Error::Applying)?;
    fail_point("backup.kept");
    Ok(kept(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn the_running_file_is_kept_not_the_one_at_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let installed = directory.path().join("database");
        // A child copies it: were it open for writing here, a start could find the text file busy.
        let copied = std::process::Command::new("cp")
            .arg("/bin/sleep")
            .arg(&installed)
            .status();
        assert!(copied.unwrap().success());
        let old = fs::read(&installed).unwrap();
        let mut child = std::process::Command::new(&installed)
            .arg("600")
            .spawn()
            .unwrap();
        let aside = directory.path().join("new");
        fs::write(&aside, b"the new release").unwrap();
        fs::rename(&aside, &installed).unwrap();

        let backups = directory.path().join("backups");
        fs::create_dir(&backups).unwrap();
        let kept = backup_current_binary(Running::Process(child.id()), &backups)
            .await
            .unwrap();
        assert_eq!((kept.digest, kept.copied), (Digest::of(&old), true));
        assert_eq!(fs::read(&kept.path).unwrap(), old);
        let again = backup_current_binary(Running::Process(child.id()), &backups)
            .await
            .unwrap();
        assert!(!again.copied);

        fs::write(&kept.path, b"damaged").unwrap();
        let mended = backup_current_binary(Running::Process(child.id()), &backups)
            .await
            .unwrap();
        assert!(mended.copied);
        assert_eq!(fs::read(&kept.path).unwrap(), old);
        assert_eq!(fs::read_dir(&backups).unwrap().count(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_database_that_does_not_run_is_kept_from_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let installed = directory.path().join("database");
        fs::write(&installed, b"installed").unwrap();
        let kept = backup_current_binary(Running::Path(installed), directory.path())
            .await
            .unwrap();
        assert_eq!(kept.digest, Digest::of(b"installed"));
    }
}

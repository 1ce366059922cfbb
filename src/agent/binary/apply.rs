//! Putting a binary in place: written whole beside the install path, then renamed over it. At every
//! instant the path is exactly the old or exactly the new file; a process that runs the old one goes on.

use crate::base::sabotage::Bug;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aegis_updates_raft::fail_point::fail_point;
use rustix::fs::OFlags;

use super::{Error, attributes, copy, verify};
use crate::agent::files::{self, at};
use crate::base::digest::Digest;

/// A verified file beside the install path, known by inode so that no other can take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub install_path: PathBuf,
    pub path: PathBuf,
    pub digest: Digest,
    device: u64,
    inode: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Renamed,
    /// The install path held this binary already.
    AlreadyInstalled,
}

/// Writes `source` beside the install path with the installed file's owner, mode and attributes, synced
/// and read back through the same descriptor, then gives it the name by which `prepared` finds it. With nothing installed, the source's mode is taken.
pub async fn prepare(
    source: &Path,
    install_path: &Path,
    expected: &Digest,
) -> Result<Prepared, Error> {
    let (source, install_path, expected) = (source.to_owned(), install_path.to_owned(), *expected);
    files::off_runtime(move || write_beside(&source, install_path, expected)).await
}

/// The file that an earlier `prepare` left, if it is whole. A daemon that restarts begins here.
pub async fn prepared(install_path: &Path, expected: &Digest) -> Result<Option<Prepared>, Error> {
    let (install_path, expected) = (install_path.to_owned(), *expected);
    files::off_runtime(move || {
        let path = path_beside(&install_path);
        let Some(file) = open_plain(&path)? else {
            return Ok(None);
        };
        let digest = verify::digest_of(&file).map_err(io_at("read", &path))?;
        if digest != expected && !Bug::DigestNotVerified.is_planted() {
            return Ok(None);
        }
        Prepared::of(&file, install_path, path, digest).map(Some)
    })
    .await
}

/// Renames the prepared file over the install path, if it still is that file with those bytes.
pub async fn apply_binary(prepared: &Prepared) -> Result<Applied, Error> {
    let prepared = prepared.clone();
    files::off_runtime(move || prepared.apply()).await
}

/// True when the install path holds this binary. It then lasts: whoever renamed it may have died before
/// the directory was synced.
pub async fn installed_durably(install_path: &Path, digest: &Digest) -> Result<bool, Error> {
    let (path, digest) = (install_path.to_owned(), *digest);
    files::off_runtime(move || {
        let is_there = digest_at(&path)? == Some(digest);
        if is_there {
            files::sync_parent(&path).map_err(Error::Applying)?;
        }
        Ok(is_there)
    })
    .await
}

/// The digest of what the install path holds; `None`: nothing.
pub async fn installed(install_path: &Path) -> Result<Option<Digest>, Error> {
    let path = install_path.to_owned();
    files::off_runtime(move || digest_at(&path)).await
}

/// Removes what `prepare` wrote, when the node is put back.
pub async fn discard(install_path: &Path) -> Result<(), Error> {
    let install_path = install_path.to_owned();
    files::off_runtime(move || remove_beside(&install_path)).await
}

fn remove_beside(install_path: &Path) -> Result<(), Error> {
    for path in [part_beside(install_path), path_beside(install_path)] {
        files::remove_durably(&path).map_err(Error::Applying)?;
    }
    Ok(())
}

fn path_beside(install_path: &Path) -> PathBuf {
    files::beside(install_path, ".", ".aegis-updates-new")
}

/// While it is written. Its bytes may be all there when its attributes, or their sync, are not: whoever
/// finds the other name finds a file that lacks nothing.
fn part_beside(install_path: &Path) -> PathBuf {
    files::beside(install_path, ".", ".aegis-updates-part")
}

fn write_beside(source: &Path, install_path: PathBuf, expected: Digest) -> Result<Prepared, Error> {
    let path = part_beside(&install_path);
    let installed = open_plain(&install_path)?;
    // What an earlier attempt or somebody else left there must not be written through.
    remove_beside(&install_path)?;
    let original = File::open(source).map_err(io_at("open", source))?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(&path)
        .map_err(io_at("create", &path))?;
    fail_point("prepare.created");
    copy::fill(&original, &file).map_err(io_at("copy to", &path))?;
    fail_point("prepare.copied");
    match &installed {
        Some(installed) => attributes::keep(installed, &file, &path)?,
        None => {
            let wanted = original.metadata().map_err(io_at("look at", source))?;
            file.set_permissions(wanted.permissions())
                .map_err(io_at("set the mode of", &path))?;
        }
    }
    fail_point("prepare.attributed");
    if !Bug::BytesNotSynced.is_planted() {
        file.sync_all().map_err(io_at("sync", &path))?;
    }
    fail_point("prepare.synced");
    let found = verify::digest_of(&file).map_err(io_at("read back", &path))?;
    if found != expected && !Bug::DigestNotVerified.is_planted() {
        files::remove_durably(&path).map_err(Error::Applying)?;
        return Err(Error::mismatch(source, &expected, found));
    }
    let ready = path_beside(&install_path);
    files::rename_durably(&path, &ready).map_err(Error::Applying)?;
    fail_point("prepare.ready");
    Prepared::of(&file, install_path, ready, found)
}

impl Prepared {
    fn of(
        file: &File,
        install_path: PathBuf,
        path: PathBuf,
        digest: Digest,
    ) -> Result<Self, Error> {
        let metadata = file.metadata().map_err(io_at("look at", &path))?;
        Ok(Self {
            install_path,
            path,
            digest,
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    fn apply(&self) -> Result<Applied, Error> {
        let Some(file) = open_plain(&self.path)? else {
            // The rename may have happened just before a crash.
            return if digest_at(&self.install_path)? == Some(self.digest) {
                files::sync_parent(&self.install_path).map_err(Error::Applying)?;
                Ok(Applied::AlreadyInstalled)
            } else {
                Err(self.changed(&self.path))
            };
        };
        if !self.is_of(&file, &self.path)? {
            return Err(self.changed(&self.path));
        }
        let found = verify::digest_of(&file).map_err(io_at("read", &self.path))?;
        if found != self.digest {
            return Err(Error::mismatch(&self.path, &self.digest, found));
        }
        open_plain(&self.install_path)?;
        fail_point("swap.before");
        files::rename_durably(&self.path, &self.install_path).map_err(Error::Applying)?;
        fail_point("swap.after");
        // Whoever may write to the directory could have swapped names between the check and the rename.
        match open_plain(&self.install_path)? {
            Some(now) if self.is_of(&now, &self.install_path)? => Ok(Applied::Renamed),
            _ => Err(self.changed(&self.install_path)),
        }
    }

    fn is_of(&self, file: &File, path: &Path) -> Result<bool, Error> {
        let metadata = file.metadata().map_err(io_at("look at", path))?;
        Ok((metadata.dev(), metadata.ino()) == (self.device, self.inode))
    }

    fn changed(&self, path: &Path) -> Error {
        Error::ChangedUnderneath {
            path: path.to_owned(),
        }
    }
}

fn digest_at(path: &Path) -> Result<Option<Digest>, Error> {
    let Some(file) = open_plain(path)? else {
        return Ok(None);
    };
    verify::digest_of(&file)
        .map(Some)
        .map_err(io_at("read", path))
}

/// Opens a regular file that has one name and is no link. `None`: there is nothing.
fn open_plain(path: &Path) -> Result<Option<File>, Error> {
    let not_plain = |why| {
        Err(Error::NotPlain {
            path: path.to_owned(),
            why,
        })
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_at("look at", path)(error)),
    };
    if metadata.is_symlink() {
        return not_plain("is a symbolic link: configure the path of the file itself");
    }
    if !metadata.is_file() {
        return not_plain("is no regular file");
    }
    if metadata.nlink() > 1 {
        return not_plain("has more than one name (hard links): remove the others");
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(path)
        .map_err(io_at("open", path))?;
    let opened = file.metadata().map_err(io_at("look at", path))?;
    if (opened.dev(), opened.ino()) != (metadata.dev(), metadata.ino()) {
        return Err(Error::ChangedUnderneath {
            path: path.to_owned(),
        });
    }
    Ok(Some(file))
}

fn io_at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let failed = at(doing, path);
    move |error| Error::Applying(failed(error))
}

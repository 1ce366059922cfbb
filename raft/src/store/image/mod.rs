//! Images: the rows of the application's columns at one index, as one file with a checksum. They are
//! streamed in both directions and never held in memory. (openraft and others call them snapshots.)

mod build;
mod format;
mod install;
mod receive;
#[cfg(test)]
mod refused;
#[doc(hidden)]
pub mod rows;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(super) use self::build::Builder;
pub(super) use self::install::{install, resume, state_rows};
pub(crate) use self::receive::{Chunk, Inbox, ReceiveError};
use super::disk::Disk;
use crate::types::{Covered, ImageMeta};

/// Names the current image in the `meta` column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pointer {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) covered: Covered,
}

/// An image on this disk: what openraft passes between the state machine and the network.
#[derive(Debug, Clone)]
pub(crate) struct ImageFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

impl Pointer {
    pub(super) fn meta(&self) -> io::Result<ImageMeta> {
        self.covered.clone().try_into()
    }

    pub(super) fn open(&self, dir: &Path) -> ImageFile {
        ImageFile {
            path: dir.join(&self.file),
            bytes: self.bytes,
            sha256: self.sha256,
        }
    }
}

/// Reads the whole file and compares its checksum.
pub(crate) fn verify(image: &ImageFile) -> io::Result<bool> {
    let (bytes, sha256) = format::digest(&image.path)?;
    Ok(bytes == image.bytes && sha256 == image.sha256)
}

/// Drops a pointer whose file is missing or damaged, so that openraft has a new image built from the
/// state, which is whole, and removes files that no pointer names.
pub(super) fn sweep(disk: &Disk) -> io::Result<()> {
    let mut current = disk.image();
    if let Some(pointer) = &current
        && !verify(&pointer.open(&disk.images)).unwrap_or(false)
    {
        tracing::error!(
            file = pointer.file,
            "the image on disk is damaged or missing; a new one will be built"
        );
        let mut batch = crate::ground::rocks::WriteBatch::default();
        disk.database
            .delete_meta(&mut batch, super::columns::key::IMAGE)?;
        disk.database.write(batch)?;
        disk.database.sync()?;
        *disk
            .image
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        current = None;
    }
    remove_all_but(
        &disk.images,
        current.as_ref().map(|pointer| pointer.file.as_str()),
    )
}

fn remove_all_but(dir: &Path, keep: Option<&str>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str() != keep {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes the images before `current`, but neither what is being received nor what is being built.
/// A file that another task still sends stays readable through its descriptor.
fn remove_older(disk: &Disk, current: &Pointer) -> io::Result<()> {
    for entry in fs::read_dir(&disk.images)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".image") && name != current.file {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The name of an image of what `covered` says; equal coverage gives equal bytes.
fn file_name(covered: &Covered) -> String {
    match covered.last {
        Some(at) => format!("{:020}-{}.image", at.index, at.term),
        None => "empty.image".to_owned(),
    }
}

fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

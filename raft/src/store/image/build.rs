//! Building an image from a consistent view of the database while entries go on being applied.

use std::fs::{self, File};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use openraft::storage::{RaftSnapshotBuilder, Snapshot};
use tokio::sync::oneshot;

use super::super::columns::{JOURNAL, META, STATE, key};
use super::super::disk::Disk;
use super::super::state::AppliedRow;
use super::format::Writer;
use super::{ImageFile, Pointer, file_name, remove_older, sync_directory};
use crate::encoding::decode;
use crate::fail_point::fail_point;
use crate::ground::rocks::{IteratorMode, WriteBatch};
use crate::ground::{apart, off_runtime};
use crate::types::{Elected, Types};

type Built = Snapshot<Elected, u64, crate::application::Node, ImageFile>;

/// A view of the state that later entries do not touch, and the file that is being made of it.
pub(crate) struct Builder {
    result: Option<oneshot::Receiver<io::Result<Pointer>>>,
    disk: Arc<Disk>,
}

impl Builder {
    /// Takes the view before it returns; a thread of its own then writes the file.
    pub(crate) async fn start(disk: Arc<Disk>) -> Self {
        let (taken_sender, taken) = oneshot::channel();
        let (sender, result) = oneshot::channel();
        let worker = disk.clone();
        let spawned = apart("raft-image", move || {
            let built = build(&worker, taken_sender);
            // Before the answer, so that nobody who has it finds the database still in use here.
            drop(worker);
            // openraft dropped the builder: the file is swept at the next open.
            let _ = sender.send(built);
        });
        match spawned {
            Ok(()) => {
                // An error means that the thread failed before it took the view; `result` says how.
                let _ = taken.await;
                Self {
                    result: Some(result),
                    disk,
                }
            }
            Err(error) => {
                disk.database.fatal().trip(format_args!(
                    "no thread could be started for an image: {error}"
                ));
                Self { result: None, disk }
            }
        }
    }
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = ImageFile;

    async fn build_snapshot(&mut self) -> io::Result<Built> {
        let ended = || io::Error::other("the image was not built");
        let pointer = self
            .result
            .take()
            .ok_or_else(ended)?
            .await
            .map_err(|_| ended())??;
        let disk = self.disk.clone();
        let pointer = off_runtime(move || adopt(&disk, pointer))
            .await
            .map_err(io::Error::other)??;
        Ok(Snapshot {
            meta: pointer.meta()?,
            snapshot: pointer.open(&self.disk.images),
        })
    }
}

/// Makes `pointer` the current image, unless a newer one was installed meanwhile. Durable before the
/// older image goes and, when it returns, before the log behind it is purged.
fn adopt(disk: &Disk, pointer: Pointer) -> io::Result<Pointer> {
    let mut current = disk.image.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(newer) = current.as_ref()
        && newer.covered.last.map(|at| at.index) > pointer.covered.last.map(|at| at.index)
    {
        return Ok(newer.clone());
    }
    let mut batch = WriteBatch::default();
    disk.database.put_meta(&mut batch, key::IMAGE, &pointer)?;
    fail_point("image.adopt.before");
    disk.database.write(batch)?;
    disk.database.sync()?;
    fail_point("image.adopt.synced");
    remove_older(disk, &pointer)?;
    fail_point("image.adopt.swept");
    *current = Some(pointer.clone());
    Ok(pointer)
}

fn build(disk: &Disk, taken: oneshot::Sender<()>) -> io::Result<Pointer> {
    let result = write(disk, taken);
    result.inspect_err(|error| {
        disk.database
            .fatal()
            .trip(format_args!("building an image failed: {error}"))
    })
}

fn write(disk: &Disk, taken: oneshot::Sender<()>) -> io::Result<Pointer> {
    let database = disk.database.raw();
    let view = database.snapshot();
    disk.log_bytes.store(0, Ordering::Relaxed);
    // The builder was dropped: the image is of no use, but writing it does no harm either.
    let _ = taken.send(());

    let applied = view
        .get_cf(disk.database.column(META)?, key::APPLIED)
        .map_err(io::Error::other)?;
    let applied: AppliedRow = applied
        .map(|row| decode("applied", &row))
        .transpose()?
        .unwrap_or_default();
    let name = file_name(&applied.covered);
    let aside = disk.images.join(format!("{name}.building"));
    fail_point("image.build.before");
    let mut writer = Writer::new(File::create(&aside)?, &applied)?;
    for column in [STATE, JOURNAL] {
        for row in view.iterator_cf(disk.database.column(column)?, IteratorMode::Start) {
            let (row_key, value) = row.map_err(io::Error::other)?;
            writer.row(column, &row_key, &value)?;
        }
    }
    fail_point("image.build.written");
    let (bytes, sha256) = writer.finish()?;
    fail_point("image.build.synced");
    fs::rename(&aside, disk.images.join(&name))?;
    fail_point("image.build.renamed");
    sync_directory(&disk.images)?;
    Ok(Pointer {
        file: name,
        bytes,
        sha256,
        covered: applied.covered,
    })
}

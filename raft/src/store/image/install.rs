//! Installing an image: the columns are replaced by its rows. A marker says so from before the first
//! change to after the last, so that a crash anywhere between is made good at the next open.

use std::fs;
use std::io;
use std::iter;
use std::sync::PoisonError;

use super::super::columns::{AFTER_ALL, JOURNAL, STATE, key};
use super::super::disk::Disk;
use super::super::state::AppliedRow;
use super::format::Reader;
use super::{ImageFile, Pointer, file_name, remove_older, sync_directory, verify};
use crate::application::{RestoreError, StoredRow};
use crate::fail_point::fail_point;
use crate::ground::rocks::WriteBatch;

/// Rows are written in batches of about this size: small against the memory that a member may use.
const BATCH_BYTES: usize = 1 << 20;

/// The rows of `image` from which the application is restored, once the whole of it was found undamaged.
pub(in crate::store) fn state_rows(
    disk: &Disk,
    image: &ImageFile,
) -> io::Result<impl Iterator<Item = StoredRow> + Send + use<>> {
    if !verify(image)? {
        return Err(disk.damaged(format!(
            "the image {} does not match its checksum",
            image.path.display()
        )));
    }
    let mut reader = Reader::open(&image.path)?;
    let rows = iter::from_fn(move || reader.row().transpose());
    Ok(rows.filter_map(|row| match row {
        Ok(row) => (row.column == STATE).then_some(Ok((row.key, row.value))),
        Err(error) => Some(Err(RestoreError(error.to_string()))),
    }))
}

/// Replaces the state by `image`, which the application has been restored from. Gives what the image covers.
pub(in crate::store) fn install(disk: &Disk, image: &ImageFile) -> io::Result<AppliedRow> {
    // Held to the end, so that a build that ends meanwhile does not sweep the file away.
    let mut current = disk.image.lock().unwrap_or_else(PoisonError::into_inner);
    let covered = Reader::open(&image.path)?.applied.covered;
    let pointer = Pointer {
        file: file_name(&covered),
        bytes: image.bytes,
        sha256: image.sha256,
        covered,
    };
    fail_point("image.install.before");
    fs::rename(&image.path, disk.images.join(&pointer.file))?;
    fail_point("image.install.renamed");
    sync_directory(&disk.images)?;

    let mut batch = WriteBatch::default();
    disk.database
        .put_meta(&mut batch, key::INSTALLING, &pointer)?;
    disk.database.write(batch)?;
    disk.database.sync()?;
    fail_point("image.install.marked");

    let applied = replace(disk, &pointer)?;
    fail_point("image.install.replaced");
    remove_older(disk, &pointer)?;
    *current = Some(pointer);
    Ok(applied)
}

/// Ends an installation that a crash cut short.
pub(in crate::store) fn resume(disk: &Disk) -> io::Result<()> {
    let Some(pointer) = disk.database.meta::<Pointer>(key::INSTALLING)? else {
        return Ok(());
    };
    tracing::warn!(
        file = pointer.file,
        "an image was being installed when this member stopped; it is installed now"
    );
    if !verify(&pointer.open(&disk.images))? {
        return Err(disk.damaged(format!(
            "the image {} does not match its checksum",
            pointer.file
        )));
    }
    replace(disk, &pointer)?;
    *disk.image.lock().unwrap_or_else(PoisonError::into_inner) = Some(pointer);
    Ok(())
}

/// May be repeated from its beginning at any time while the marker stands.
fn replace(disk: &Disk, pointer: &Pointer) -> io::Result<AppliedRow> {
    let database = &disk.database;
    let mut batch = WriteBatch::default();
    for column in [STATE, JOURNAL] {
        batch.delete_range_cf(database.column(column)?, &[] as &[u8], AFTER_ALL);
    }
    let mut reader = Reader::open(&disk.images.join(&pointer.file))?;
    while let Some(row) = reader.row()? {
        batch.put_cf(database.column(row.column)?, row.key, row.value);
        if batch.size_in_bytes() > BATCH_BYTES {
            database.write(std::mem::take(&mut batch))?;
        }
    }
    let before = database
        .meta::<AppliedRow>(key::APPLIED)?
        .unwrap_or_default();
    let applied = reader.applied.installed_over(&before);
    database.put_meta(&mut batch, key::APPLIED, &applied)?;
    database.put_meta(&mut batch, key::IMAGE, pointer)?;
    database.delete_meta(&mut batch, key::INSTALLING)?;
    fail_point("image.install.rows");
    database.write(batch)?;
    fail_point("image.install.written");
    database.sync()?;
    Ok(applied)
}

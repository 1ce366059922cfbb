//! Small secret files: readable by the owner alone, whole or absent after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Error;
use crate::fail_point::fail_point;

pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error(format!("{} cannot be read: {error}", path.display()))),
    }
}

pub(super) fn read_required(path: &Path) -> Result<String, Error> {
    read(path)?.ok_or_else(|| Error(format!("{} is missing", path.display())))
}

/// Writes aside, syncs, renames, syncs the directory.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let aside = path.with_extension("new");
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(bytes)?;
        fail_point("pki.written");
        file.sync_all()?;
        fail_point("pki.synced");
        fs::rename(&aside, path)?;
        fail_point("pki.renamed");
        let dir = path.parent().unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    })();
    written
        .map_err(|error: io::Error| Error(format!("{} cannot be written: {error}", path.display())))
}

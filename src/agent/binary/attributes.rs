//! Owner, mode and extended attributes: the new file gets the installed file's, or is refused.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Gid, Uid, XattrFlags};

use super::Error;
use crate::agent::files::{at, errno_at};

/// Set by the kernel for every file, from its policy; a file cannot be given another's.
const KERNELS_OWN: [&[u8]; 1] = [b"security.selinux"];

/// Gives `new` what `installed` has, in the order in which one does not undo another: a change of owner
/// clears set-id bits and capabilities.
pub fn keep(installed: &File, new: &File, path: &Path) -> Result<(), Error> {
    let wanted = installed.metadata().map_err(io_at("look at", path))?;
    let present = new.metadata().map_err(io_at("look at", path))?;
    if (wanted.uid(), wanted.gid()) != (present.uid(), present.gid()) {
        let (owner, group) = (Uid::from_raw(wanted.uid()), Gid::from_raw(wanted.gid()));
        rustix::fs::fchown(new, Some(owner), Some(group)).map_err(|errno| {
            let what = format!("the owner {}:{}", wanted.uid(), wanted.gid());
            refused(path, what, errno.into())
        })?;
    }
    new.set_permissions(wanted.permissions()).map_err(|error| {
        let what = format!("the mode {:o}", wanted.permissions().mode() & 0o7777);
        refused(path, what, error)
    })?;
    for name in names(installed, path)? {
        let value = value(installed, &name, path)?;
        rustix::fs::fsetxattr(new, name.as_slice(), &value, XattrFlags::empty()).map_err(
            |errno| {
                let what = format!("the attribute {}", String::from_utf8_lossy(&name));
                refused(path, what, errno.into())
            },
        )?;
    }
    Ok(())
}

fn names(file: &File, path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let list = match read_whole(|buffer| rustix::fs::flistxattr(file, buffer)) {
        Ok(list) => list,
        // A file system without attributes has none to keep.
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => {
            return Err(Error::Applying(errno_at("list the attributes of", path)(
                errno,
            )));
        }
    };
    let names = list.split(|byte| *byte == 0);
    Ok(names
        .filter(|name| !name.is_empty() && !KERNELS_OWN.contains(name))
        .map(<[u8]>::to_vec)
        .collect())
}

fn value(file: &File, name: &[u8], path: &Path) -> Result<Vec<u8>, Error> {
    read_whole(|buffer| rustix::fs::fgetxattr(file, name, buffer))
        .map_err(errno_at("read an attribute of", path))
        .map_err(Error::Applying)
}

/// The kernel's own bound for an attribute and for the list of names is 64 KiB.
fn read_whole(
    read: impl FnOnce(&mut [u8]) -> Result<usize, rustix::io::Errno>,
) -> Result<Vec<u8>, rustix::io::Errno> {
    let mut buffer = vec![0; 64 * 1024];
    let length = read(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn io_at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let failed = at(doing, path);
    move |error| Error::Applying(failed(error))
}

fn refused(path: &Path, what: String, source: io::Error) -> Error {
    Error::AttributeNotKept {
        path: path.to_owned(),
        what,
        source,
    }
}

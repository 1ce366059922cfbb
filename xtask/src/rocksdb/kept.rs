//! The directory that outlives every clone: where it lies, who may write it, whether what it holds
//! is whole. Must not compile anything.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::step::{Failure, at, say};

/// Where the machine keeps what can be made again.
pub fn cache_home() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .ok_or_else(|| {
            Failure("neither XDG_CACHE_HOME nor HOME is an absolute path: set one of them".into())
        })
}

/// Two runs on one machine must not compile the same thing side by side. The kernel frees the lock
/// with its holder, however that ends.
pub fn locked(path: &Path) -> Result<File, Failure> {
    let file = File::create(path).map_err(at(path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(format!(
                "rocksdb: another run is building it; waiting for {}",
                path.display()
            ));
            file.lock().map_err(at(path.display()))?;
        }
        Err(TryLockError::Error(error)) => return Err(at(path.display())(error)),
    }
    Ok(file)
}

/// Says beside the library what it is, and enough to see later whether it still is.
pub fn write_manifest(directory: &Path, description: &str) -> Result<(), Failure> {
    let archive = directory.join("librocksdb.a");
    let bytes = fs::read(&archive).map_err(at(archive.display()))?;
    let manifest = directory.join("manifest");
    let text = format!("{description}\n{}\n", manifest_line(&bytes));
    fs::write(&manifest, text).map_err(at(manifest.display()))
}

fn manifest_line(archive: &[u8]) -> String {
    format!(
        "librocksdb.a {} bytes fnv1a-64 {:016x}",
        archive.len(),
        checksum(archive)
    )
}

pub fn is_whole(directory: &Path) -> bool {
    let manifest = fs::read_to_string(directory.join("manifest"));
    let archive = fs::read(directory.join("librocksdb.a"));
    match (manifest, archive) {
        (Ok(manifest), Ok(archive)) => manifest.lines().any(|line| line == manifest_line(&archive)),
        _ => false,
    }
}

/// FNV-1a: finds a torn or truncated file, and is no defence against a person, who could as well
/// change the source beside it.
pub fn checksum(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_fnv1a() {
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_damaged_library_is_not_whole() {
        let directory = std::env::temp_dir().join(format!("xtask-rocksdb-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("librocksdb.a"), b"archive").unwrap();
        assert!(!is_whole(&directory), "no manifest");
        fs::write(
            directory.join("manifest"),
            format!("x\n{}\n", manifest_line(b"archive")),
        )
        .unwrap();
        assert!(is_whole(&directory));
        fs::write(directory.join("librocksdb.a"), b"archivE").unwrap();
        assert!(!is_whole(&directory), "another byte");
        fs::remove_dir_all(&directory).unwrap();
    }
}

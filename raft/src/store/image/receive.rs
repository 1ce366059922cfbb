//! Receiving an image in chunks into a file. Chunks name the whole image by its checksum, so a transfer
//! that was cut goes on where it stopped. Nothing is installed here.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::format::is_readable;
use super::{ImageFile, sync_directory};
use crate::fail_point::fail_point;
use crate::store::disk::Disk;

/// A piece of the image with checksum `sha256`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) sha256: [u8; 32],
    pub(crate) offset: u64,
    #[serde(with = "crate::encoding::bytes")]
    pub(crate) bytes: Vec<u8>,
}

/// Where images arrive; one at a time.
#[derive(Clone)]
pub(crate) struct Inbox {
    disk: Arc<Disk>,
    arriving: Arc<Mutex<Option<Arriving>>>,
}

struct Arriving {
    sha256: [u8; 32],
    path: PathBuf,
    file: File,
    digest: Sha256,
    received: u64,
}

#[derive(Debug)]
pub(crate) enum ReceiveError {
    /// Not all of it is here, or what is here is of another image.
    Incomplete,
    /// All bytes are here, and their checksum is another or they are no image that this version reads; they
    /// are gone.
    Damaged,
    Io(io::Error),
}

impl Inbox {
    pub(in crate::store) fn new(disk: Arc<Disk>) -> Self {
        Self {
            disk,
            arriving: Arc::default(),
        }
    }

    /// Takes a chunk if it is the next one and gives the number of bytes that are here: an empty chunk
    /// asks where to go on.
    pub(crate) fn take(&self, chunk: &Chunk) -> io::Result<u64> {
        let mut slot = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = slot
            .take()
            .filter(|arriving| arriving.sha256 == chunk.sha256);
        let mut arriving = match begun {
            Some(arriving) => arriving,
            None => self.begin(chunk.sha256)?,
        };
        if chunk.offset == arriving.received {
            fail_point("image.receive.chunk");
            arriving.file.write_all(&chunk.bytes)?;
            arriving.digest.update(&chunk.bytes);
            arriving.received += chunk.bytes.len() as u64;
        }
        let received = arriving.received;
        *slot = Some(arriving);
        Ok(received)
    }

    /// Ends the transfer of `sha256`, `bytes` long: verified and durable when it returns.
    pub(crate) fn finish(&self, sha256: [u8; 32], bytes: u64) -> Result<ImageFile, ReceiveError> {
        let mut slot = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        let complete =
            slot.take_if(|arriving| arriving.sha256 == sha256 && arriving.received == bytes);
        let arriving = complete.ok_or(ReceiveError::Incomplete)?;
        let found: [u8; 32] = arriving.digest.finalize().into();
        if found != sha256 || !is_readable(&arriving.path).map_err(ReceiveError::Io)? {
            fs::remove_file(&arriving.path).map_err(ReceiveError::Io)?;
            return Err(ReceiveError::Damaged);
        }
        fail_point("image.receive.whole");
        arriving
            .file
            .sync_all()
            .and_then(|()| sync_directory(&self.disk.images))
            .map_err(ReceiveError::Io)?;
        fail_point("image.receive.synced");
        Ok(ImageFile {
            path: arriving.path,
            bytes,
            sha256,
        })
    }

    fn begin(&self, sha256: [u8; 32]) -> io::Result<Arriving> {
        let name: String = sha256
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = self.disk.images.join(format!("{name}.arriving"));
        fail_point("image.receive.begin");
        let file = File::create(&path)?;
        Ok(Arriving {
            sha256,
            path,
            file,
            digest: Sha256::new(),
            received: 0,
        })
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("the image has not arrived as a whole"),
            Self::Damaged => {
                f.write_str("the image's bytes do not match its checksum, or are no image")
            }
            Self::Io(error) => write!(f, "the image cannot be written: {error}"),
        }
    }
}

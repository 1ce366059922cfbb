//! Images that arrive with the right checksum and are no images: from a version that writes them otherwise, or from a
//! disk that lied before the checksum was made.

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{Chunk, Inbox, ReceiveError};
use crate::fatal::Fatal;
use crate::store::{Identity, Presence, Store};

/// Before the image was read through, the marker of the installation was written first: this member failed, and failed
/// again at each start.
#[test]
fn bytes_that_are_no_image_are_refused_before_anything_is_touched() {
    let dir = TempDir::new().unwrap();
    let identity = Identity {
        cluster: "paper".to_owned(),
        member: 1,
        incarnation: 1,
    };
    let fatal = Fatal::new(|reason| panic!("{reason}"));
    let store = Store::open(dir.path(), identity, Presence::MayBeNew, fatal).unwrap();
    let inbox = Inbox::new(store.disk.clone());
    let valid = {
        let path = dir.path().join("made");
        super::rows::write(&path, &[]).unwrap();
        std::fs::read(path).unwrap()
    };
    let mut newer = valid.clone();
    newer[8] = 2;
    let mut longer = valid.clone();
    longer.push(0);
    let mut unknown = valid.clone();
    let end = unknown.len() - 9;
    unknown[end] = 9;
    let shorter = valid[..valid.len() - 1].to_vec();
    for bytes in [Vec::new(), newer, longer, unknown, shorter] {
        let refused = send(&inbox, &bytes);
        assert!(matches!(refused, Err(ReceiveError::Damaged)), "{bytes:?}");
        let left = std::fs::read_dir(dir.path().join("images")).unwrap();
        assert_eq!(left.count(), 0, "something is left of {bytes:?}");
    }
    assert!(send(&inbox, &valid).is_ok());
}

fn send(inbox: &Inbox, bytes: &[u8]) -> Result<(), ReceiveError> {
    let sha256 = Sha256::digest(bytes).into();
    let chunk = Chunk {
        sha256,
        offset: 0,
        bytes: bytes.to_vec(),
    };
    inbox.take(&chunk).map_err(ReceiveError::Io)?;
    inbox.finish(sha256, bytes.len() as u64).map(|_| ())
}

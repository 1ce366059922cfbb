//! Binaries on this host: fetched, verified, judged, kept, and put in place. Every file is known by its
//! SHA-256, and every act first looks whether it is done already.
//! Starting and stopping processes is `process`'s work, except for the short probe of a new binary.

pub mod apply;
pub mod attributes;
pub mod backup;
pub mod copy;
pub mod download;
pub mod elf;
mod error;
pub mod probe;
pub mod room;
pub mod stage;
pub mod verify;

pub use apply::{
    Applied, Prepared, apply_binary, discard, installed, installed_durably, prepare, prepared,
};
pub use backup::{Backup, Running, backup_current_binary, kept_durably};
pub use download::{Client, Downloaded, Limits, download_binary};
pub use error::Error;
pub use room::{Room, Shortage, require_room, room};
pub use stage::{Staged, stage_binary};
pub use verify::{Digests, verify_sha256};

//! What is on disk: one RocksDB with a few columns and one write-ahead log, and image files beside it.
//! Nothing here knows the network.

mod acknowledged;
mod clock;
mod columns;
mod database;
mod disk;
mod identity;
mod image;
mod log;
mod open;
mod state;
#[cfg(test)]
mod suite;
mod wal;

use serde::{Deserialize, Serialize};

pub use self::clock::{HostClock, Moment, SystemClock};
pub(crate) use self::disk::Disk;
pub use self::identity::{Identity, OpenError, Presence};
#[doc(hidden)]
pub use self::image::rows as image_rows;
pub(crate) use self::image::{Chunk, ImageFile, Inbox, ReceiveError, verify};
#[cfg(test)]
pub(crate) use self::log::LogStore;
pub use self::open::Store;
pub(crate) use self::state::StateMachine;

/// When this member appended an entry, by its own clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    pub index: u64,
    pub term: u64,
    /// The kernel's boot id at that moment; `boottime_ms` compares only within one boot.
    pub boot_id: String,
    /// CLOCK_BOOTTIME: it runs on through suspend and never jumps.
    pub boottime_ms: u64,
    /// True for a term's first entries: the leader's empty one and the payload flagged `opening`.
    pub opening: bool,
}

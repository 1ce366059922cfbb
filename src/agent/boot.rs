//! The boot-time clock: it counts while the host sleeps and never jumps. What a time means is not known here.

#[cfg(not(feature = "replay"))]
use std::fs;
use std::io;

#[cfg(not(feature = "replay"))]
use rustix::time::{ClockId, clock_gettime};

use super::machine::Now;
use crate::base::digest::Digest;

/// Which boot this is.
#[derive(Debug, Clone, Copy)]
pub struct Boot(Digest);

impl Boot {
    #[cfg(not(feature = "replay"))]
    pub fn read() -> io::Result<Self> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self(Digest::of(id.trim().as_bytes())))
    }

    /// The same on every host on which a run is replayed.
    #[cfg(feature = "replay")]
    pub fn read() -> io::Result<Self> {
        Ok(Self(Digest::of(b"replayed")))
    }

    pub fn now(&self) -> Now {
        Now {
            boot: self.0,
            ms: now_ms(),
        }
    }
}

#[cfg(feature = "replay")]
pub use aegis_updates_raft::ground::replayed::now_ms;

/// Milliseconds since boot.
#[cfg(not(feature = "replay"))]
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000 + now.tv_nsec.unsigned_abs() / 1_000_000
}

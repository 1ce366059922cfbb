//! The boot-time clock: it counts while the host sleeps and never jumps. What a time means is not known here.

use std::fs;
use std::io;

use rustix::time::{ClockId, clock_gettime};

use super::machine::Now;
use crate::base::digest::Digest;

/// Which boot this is.
#[derive(Debug, Clone, Copy)]
pub struct Boot(Digest);

impl Boot {
    pub fn read() -> io::Result<Self> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self(Digest::of(id.trim().as_bytes())))
    }

    pub fn now(&self) -> Now {
        Now {
            boot: self.0,
            ms: now_ms(),
        }
    }
}

/// Milliseconds since boot.
pub fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000 + now.tv_nsec.unsigned_abs() / 1_000_000
}

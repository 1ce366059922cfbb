//! The clocks of this host, read when an entry is appended. Nothing decides on them here.

use std::fs;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Injected, so that tests can jump it.
pub trait HostClock: Send + Sync + 'static {
    fn now(&self) -> Moment;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub boot_id: String,
    pub boottime_ms: u64,
    pub wall_ms: i64,
}

impl Moment {
    /// That much earlier, in the same boot.
    pub(super) fn before(self, ms: u64) -> Self {
        Self {
            boottime_ms: self.boottime_ms.saturating_sub(ms),
            wall_ms: self.wall_ms.saturating_sub_unsigned(ms),
            ..self
        }
    }
}

/// The real clocks.
pub struct SystemClock {
    boot_id: String,
}

impl SystemClock {
    pub fn new() -> io::Result<Self> {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self {
            boot_id: boot_id.trim().to_owned(),
        })
    }
}

impl HostClock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the injected clock's production half"
    )]
    fn now(&self) -> Moment {
        let boottime = clock_gettime(ClockId::Boottime);
        let since_boot_ms =
            boottime.tv_sec.unsigned_abs() * 1_000 + boottime.tv_nsec.unsigned_abs() / 1_000_000;
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Moment {
            boot_id: self.boot_id.clone(),
            boottime_ms: since_boot_ms,
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

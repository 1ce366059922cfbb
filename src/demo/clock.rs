//! The one clock of a demo run: Unix milliseconds that a jump of the wall clock cannot move, so that
//! balancer, load and observer agree on the order of what they saw.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    origin_unix_us: u64,
    origin_boot_us: u64,
}

impl Clock {
    /// Reads the wall clock once; every copy counts on from there.
    #[expect(
        clippy::disallowed_methods,
        reason = "the demo is the outside: it measures real processes in real time"
    )]
    pub fn start() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            origin: Instant::now(),
            origin_unix_us: wall.as_micros() as u64,
            origin_boot_us: boot_us(),
        }
    }

    pub fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    pub fn now_us(&self) -> u64 {
        self.origin_unix_us + self.origin.elapsed().as_micros() as u64
    }

    /// When this clock showed what the boot-time clock shows as `since_boot_us`, in milliseconds.
    pub fn at_boot_ms(&self, since_boot_us: u64) -> u64 {
        (self.origin_unix_us + since_boot_us).saturating_sub(self.origin_boot_us) / 1_000
    }
}

fn boot_us() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

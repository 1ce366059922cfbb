//! How long to wait before a database that ended by itself is started again, and when to raise the alarm.
//! Time is an argument here.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Quick enough that one crash is hardly noticed.
const FIRST: Duration = Duration::from_millis(500);
/// Slow enough that a broken database does not fill its logs.
const LONGEST: Duration = Duration::from_secs(30);
/// A database that lived this long was well.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
const ALARM_ENDS: usize = 5;
const ALARM_WINDOW: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    ends: VecDeque<Instant>,
}

impl Backoff {
    /// The database ended, or could not be started; the answer is how long to wait.
    pub fn failed(&mut self, now: Instant, lived: Duration) -> Duration {
        if lived >= HEALTHY_AFTER {
            self.failures = 0;
        }
        let delay = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures += 1;
        self.ends.push_back(now);
        if self.ends.len() > ALARM_ENDS {
            self.ends.pop_front();
        }
        delay
    }

    /// Somebody asked for a start: it is not the database's habit that decides.
    pub fn begin_anew(&mut self) {
        self.failures = 0;
    }

    pub fn is_crash_loop(&self, now: Instant) -> bool {
        let oldest = self.ends.front();
        self.ends.len() >= ALARM_ENDS && oldest.is_some_and(|end| now - *end <= ALARM_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_begin_anew_after_a_long_life() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(backoff.failed(now, Duration::from_secs(1)).as_millis());
        }
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(backoff.failed(now, Duration::from_secs(60)), FIRST);
        assert_eq!(backoff.failed(now, Duration::ZERO), 2 * FIRST);
        backoff.begin_anew();
        assert_eq!(backoff.failed(now, Duration::ZERO), FIRST);
    }

    #[test]
    fn five_ends_in_five_minutes_are_a_crash_loop() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        for minute in 0..4 {
            backoff.failed(start + Duration::from_secs(60 * minute), Duration::ZERO);
        }
        let fifth = start + Duration::from_secs(240);
        assert!(!backoff.is_crash_loop(fifth));
        backoff.failed(fifth, Duration::ZERO);
        assert!(backoff.is_crash_loop(fifth));
        assert!(!backoff.is_crash_loop(start + Duration::from_secs(301)));
    }
}

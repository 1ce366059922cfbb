//! How much one principal may ask: a token bucket each, fed by time that the caller gives.

use std::collections::BTreeMap;

/// Sustained requests a second: a person with several terminals, or a poller, stays far below.
pub const RATE_PER_S: u64 = 50;
pub const BURST: u64 = 100;
/// Buckets that are full again are forgotten when there are this many.
const BUCKETS_MAX: usize = 1_000;

/// Thousandths of a request, so that integers suffice.
const ONE: u64 = 1_000;

#[derive(Debug)]
pub struct Limiter {
    rate_per_s: u64,
    burst: u64,
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In thousandths of a request.
    left: u64,
    at_ms: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(RATE_PER_S, BURST)
    }
}

impl Limiter {
    pub const fn new(rate_per_s: u64, burst: u64) -> Self {
        Self {
            rate_per_s,
            burst,
            buckets: BTreeMap::new(),
        }
    }

    /// `Err` says after how many milliseconds one more request is served.
    pub fn take(&mut self, who: &str, now_ms: u64) -> Result<(), u64> {
        let full = self.burst * ONE;
        // A thousandth of a request a millisecond for each request a second.
        let rate = self.rate_per_s.max(1);
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(who) {
            let refilled =
                |bucket: &Bucket| bucket.left + now_ms.saturating_sub(bucket.at_ms) * rate >= full;
            self.buckets.retain(|_, bucket| !refilled(bucket));
        }
        let bucket = self.buckets.entry(who.to_owned()).or_insert(Bucket {
            left: full,
            at_ms: now_ms,
        });
        let gained = now_ms.saturating_sub(bucket.at_ms).saturating_mul(rate);
        bucket.left = bucket.left.saturating_add(gained).min(full);
        bucket.at_ms = bucket.at_ms.max(now_ms);
        match bucket.left.checked_sub(ONE) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err((ONE - bucket.left).div_ceil(rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limiter;

    #[test]
    fn a_burst_then_the_rate_and_nobody_pays_for_another() {
        let mut limiter = Limiter::new(50, 100);
        assert!((0..100).all(|_| limiter.take("a", 1_000).is_ok()));
        assert_eq!(limiter.take("a", 1_000), Err(20));
        assert_eq!(limiter.take("b", 1_000), Ok(()));
        assert_eq!(limiter.take("a", 1_020), Ok(()));
        assert!(limiter.take("a", 1_020).is_err());
        let served = (0..200)
            .filter(|_| limiter.take("a", 2_020).is_ok())
            .count();
        assert_eq!(served, 50);
    }

    #[test]
    fn time_that_stands_or_goes_back_gives_nothing() {
        let mut limiter = Limiter::new(1, 1);
        assert_eq!(limiter.take("a", 5_000), Ok(()));
        assert!(limiter.take("a", 0).is_err() && limiter.take("a", 5_000).is_err());
        assert_eq!(limiter.take("a", 6_000), Ok(()));
    }
}

//! What all handlers share: the core, the limits, and how long they wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::error::Problem;
use super::kind::Kind;
use super::limiter::Limiter;
use crate::access::principal::Principal;
use crate::control::service::Service;

/// Plans and tokens are far smaller; artifacts do not come this way.
pub const BODY_MAX: usize = 1 << 20;
/// A client that needs longer for a small body holds a connection for nothing.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Each holds a connection and reads the journal on every change.
pub const WATCHERS_MAX: usize = 256;
/// Longest `?wait`: a plan's own deadlines are half an hour each.
pub const WAIT_MAX: Duration = Duration::from_secs(6 * 3_600);

pub struct Api {
    pub core: Arc<dyn Service>,
    pub watchers: Arc<Semaphore>,
    limiter: Mutex<Limiter>,
    since: Instant,
}

impl Api {
    pub fn new(core: Arc<dyn Service>) -> Arc<Self> {
        Self::with_limiter(core, Limiter::default())
    }

    pub fn with_limiter(core: Arc<dyn Service>, limiter: Limiter) -> Arc<Self> {
        Arc::new(Self {
            core,
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            limiter: Mutex::new(limiter),
            since: Instant::now(),
        })
    }

    /// Counts one request of `who`; `None` is everybody who is nobody.
    pub fn admit(&self, who: Option<&Principal>) -> Result<(), Problem> {
        let name = who.map_or_else(|| "nobody".to_owned(), Principal::to_string);
        let now_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take(&name, now_ms).map_err(|wait_ms| {
            Problem::new(
                Kind::RateLimited,
                "more requests than one principal may send",
                "wait as long as Retry-After says",
            )
            .retry_after(wait_ms.div_ceil(1_000).max(1))
        })
    }
}

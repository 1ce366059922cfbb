//! One database behind the balancer: whether it is in rotation, its idle connections, and what is in
//! flight to it. Which backend a request goes to is decided in balancer.rs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;

use super::wire::{self, Link};

/// Longer than a busy daemon takes to answer, far shorter than any drain grace.
const PROBE_LIMIT: Duration = Duration::from_millis(1_000);

/// More idle connections than the load has clients are never used.
const IDLE_MAX: usize = 64;

/// Where a database and the readiness probe beside it are reached, both as `host:port`.
#[derive(Debug, Clone)]
pub struct Address {
    pub name: String,
    pub database: String,
    pub probe: String,
}

/// What the daemon beside the database said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Ready,
    NotReady,
}

/// What one look at the probe, and if need be at the database, found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Said(Word),
    /// The daemon said nothing that counts; the database was asked instead.
    Silent {
        database_healthy: bool,
    },
}

/// A change of rotation, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub in_rotation: bool,
    pub why: &'static str,
}

#[derive(Debug, Default)]
struct Inner {
    in_rotation: bool,
    word: Option<Word>,
    idle: Vec<Link>,
}

#[derive(Debug)]
pub struct Backend {
    pub address: Address,
    inner: Mutex<Inner>,
    in_flight: AtomicUsize,
}

/// Counts one request in flight for as long as it lives.
#[derive(Debug)]
pub struct InFlight<'a>(&'a AtomicUsize);

impl Backend {
    pub fn new(address: Address) -> Self {
        Self {
            address,
            inner: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub fn in_rotation(&self) -> bool {
        self.inner().in_rotation
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// An idle connection that is still open, the most recently used first.
    pub fn take_idle(&self) -> Option<Link> {
        let mut inner = self.inner();
        while let Some(link) = inner.idle.pop() {
            if link.is_open() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection for later, or closes it when the backend has left rotation meanwhile.
    pub fn give_back(&self, link: Link) {
        let mut inner = self.inner();
        if inner.in_rotation && link.is_open() && inner.idle.len() < IDLE_MAX {
            inner.idle.push(link);
        }
    }

    /// Asks the probe and, when that says nothing that counts, the database itself.
    pub async fn look(&self) -> Look {
        match wire::get(&self.address.probe, "/ready", PROBE_LIMIT).await {
            Ok((StatusCode::OK, _)) => Look::Said(Word::Ready),
            Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => Look::Said(Word::NotReady),
            Ok(_) | Err(_) => {
                let health = wire::get(&self.address.database, "/health", PROBE_LIMIT).await;
                Look::Silent {
                    database_healthy: matches!(health, Ok((StatusCode::OK, _))),
                }
            }
        }
    }

    /// Judges a look: a dead daemon's last word stands, and never means that its database is down.
    /// Leaving rotation closes the idle connections; one in use is closed when its answer is through.
    pub fn judge(&self, look: Look) -> Option<Turn> {
        let mut inner = self.inner();
        if let Look::Said(word) = look {
            inner.word = Some(word);
        }
        let (in_rotation, why) = match (look, inner.word) {
            (Look::Said(Word::Ready), _) => (true, "its daemon says ready"),
            (Look::Said(Word::NotReady), _) => (false, "its daemon says not ready"),
            (Look::Silent { .. }, Some(Word::NotReady)) => {
                (false, "not ready was its daemon's last word")
            }
            (
                Look::Silent {
                    database_healthy: true,
                },
                _,
            ) => (true, "the database itself answers"),
            (
                Look::Silent {
                    database_healthy: false,
                },
                _,
            ) => (false, "neither daemon nor database answers"),
        };
        if inner.in_rotation == in_rotation {
            return None;
        }
        inner.in_rotation = in_rotation;
        let closed = if in_rotation {
            Vec::new()
        } else {
            std::mem::take(&mut inner.idle)
        };
        drop(inner);
        drop(closed);
        Some(Turn { in_rotation, why })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend() -> Backend {
        let address = Address {
            name: "n1".to_owned(),
            database: "127.0.0.1:1".to_owned(),
            probe: "127.0.0.1:1".to_owned(),
        };
        Backend::new(address)
    }

    #[test]
    fn a_dead_daemons_last_word_stands() {
        let healthy = Look::Silent {
            database_healthy: true,
        };
        let gone = Look::Silent {
            database_healthy: false,
        };

        let drained = backend();
        drained.judge(Look::Said(Word::Ready));
        drained.judge(Look::Said(Word::NotReady));
        assert_eq!(drained.judge(healthy), None);
        assert!(
            !drained.in_rotation(),
            "a drained node stays out when its daemon dies"
        );

        let ready = backend();
        ready.judge(Look::Said(Word::Ready));
        assert_eq!(ready.judge(healthy), None);
        assert!(
            ready.in_rotation(),
            "a ready node stays in when its daemon dies"
        );
        ready.judge(gone);
        assert!(
            !ready.in_rotation(),
            "but not when its database is gone too"
        );
        ready.judge(healthy);
        assert!(ready.in_rotation());
    }

    #[test]
    fn without_any_word_the_database_decides() {
        let backend = backend();
        assert_eq!(
            backend.judge(Look::Silent {
                database_healthy: false
            }),
            None
        );
        let turn = backend.judge(Look::Silent {
            database_healthy: true,
        });
        assert_eq!(turn.map(|turn| turn.in_rotation), Some(true));
    }
}

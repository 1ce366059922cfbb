//! The one way out after a failed write or fsync: the process must end, because after one failed
//! fsync the next may claim success over lost data. Nothing is retried here.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::OnceLock;

/// Trips at most once. The daemon turns the hook into exit 70; until it does, every further operation
/// of the store fails.
#[derive(Clone)]
pub struct Fatal(Arc<Inner>);

struct Inner {
    reason: OnceLock<String>,
    hook: Box<dyn Fn(&str) + Send + Sync>,
}

impl Fatal {
    /// `hook` runs on whatever thread met the failure, once, with the reason.
    pub fn new(hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            reason: OnceLock::new(),
            hook: Box::new(hook),
        }))
    }

    /// Records the first reason and runs the hook; later calls change nothing.
    pub fn trip(&self, reason: impl fmt::Display) {
        let reason = reason.to_string();
        if self.0.reason.set(reason.clone()).is_ok() {
            tracing::error!(%reason, "this member cannot go on");
            (self.0.hook)(&reason);
        }
    }

    /// Why the store refuses to work, once it does.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(String::as_str)
    }

    /// Fails once tripped.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => Err(io::Error::other(format!(
                "the store is closed after a fatal failure: {reason}"
            ))),
        }
    }
}

impl fmt::Debug for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fatal({:?})", self.reason())
    }
}

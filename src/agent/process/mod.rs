//! The database's process: found, stopped and started. One file per process manager, and one for what
//! `/proc` says. What version runs, and when to stop, is decided elsewhere.

mod error;
pub mod proc;
pub mod supervised;

pub use error::Error;
pub use supervised::Supervised;

use crate::agent::resident::Life;
use crate::base::digest::Digest;

/// A database that runs, and the very file that it executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pub life: Life,
    pub digest: Digest,
}

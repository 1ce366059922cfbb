//! Waiting as data: why nothing happens at this moment, and what would help. Says nothing of how it is shown.

use serde::{Deserialize, Serialize};

/// One thing that a plan waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Stable, snake_case.
    pub code: String,
    /// The node, gate or plan it is about.
    pub subject: Option<String>,
    /// One sentence.
    pub detail: String,
    /// `run` time since when; `None` when it is worked out anew and nobody remembers.
    pub since_ms: Option<u64>,
    /// `run` time at which something happens by itself.
    pub until_ms: Option<u64>,
    /// What happens next by itself.
    pub next: String,
    /// Up to three commands that would help, as a person types them.
    pub commands: Vec<String>,
}

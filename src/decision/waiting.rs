//! Waiting as data: why nothing happens at this moment, and what would help. Says nothing of how it is shown.

use serde::{Deserialize, Serialize};

use crate::base::ids::NodeName;
use crate::plans::gates::Red;

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

impl Wait {
    /// A wait about one node, worked out anew.
    pub fn node(code: &str, node: &NodeName, detail: impl Into<String>, next: &str) -> Self {
        Self::new(code, Some(node.to_string()), detail, next)
    }

    pub fn new(code: &str, subject: Option<String>, detail: impl Into<String>, next: &str) -> Self {
        let (code, next) = (code.to_owned(), next.to_owned());
        Self {
            code,
            subject,
            detail: detail.into(),
            since_ms: None,
            until_ms: None,
            next,
            commands: Vec::new(),
        }
    }

    pub fn since(self, run_ms: u64) -> Self {
        Self {
            since_ms: Some(run_ms),
            ..self
        }
    }

    pub fn until(self, run_ms: u64) -> Self {
        Self {
            until_ms: Some(run_ms),
            ..self
        }
    }

    /// Up to three commands that would help.
    pub fn helped_by<const N: usize>(self, commands: [String; N]) -> Self {
        Self {
            commands: commands.into_iter().take(3).collect(),
            ..self
        }
    }

    /// A gate that is shut before a node can be taken.
    pub fn gate(node: &NodeName, red: &Red) -> Self {
        let code = format!("gate_{}", red.gate);
        Self::new(
            &code,
            Some(node.to_string()),
            red.detail.clone(),
            "the node is taken as soon as the gate opens",
        )
    }
}

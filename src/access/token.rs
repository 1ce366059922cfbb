//! A token as the log keeps it: a hash, a role, an end. The secret itself is seen once, by whoever made it.

use serde::{Deserialize, Serialize};

use super::principal::Role;
use crate::base::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: String,
    /// SHA-256 of the secret's 256 random bits; no salt is needed where nothing can be guessed.
    pub hash: Digest,
    pub grants: Grant,
    pub expires_wall_ms: u64,
    pub revoked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    Role(Role),
    /// Lets one host join, once; the same joiner may retry.
    Join,
}

/// Before the name under which a spent join token is kept for its joiner's retries.
pub const SPENT: &str = "spent/";

impl Token {
    pub fn is_spent(&self) -> bool {
        self.id.starts_with(SPENT)
    }

    pub const fn is_valid_at(&self, wall_ms: u64) -> bool {
        !self.revoked && wall_ms < self.expires_wall_ms
    }
}

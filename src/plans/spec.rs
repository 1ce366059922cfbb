//! What an operator asks for, and the binaries it is about.

use std::collections::BTreeSet;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::strategy::Strategy;
use crate::base::digest::Digest;
use crate::base::ids::NodeName;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Update,
    /// Takes a finished plan back; every node returns to its own rollback target, kept on its host.
    Rollback,
}

/// A binary as the log knows it: what it says of itself and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    pub version: String,
    pub digest: Digest,
}

/// The release of an update: where every node gets it and what must arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: Version,
    pub url: String,
    pub sha256: Digest,
}

impl Release {
    pub fn binary(&self) -> Binary {
        Binary {
            version: self.version.to_string(),
            digest: self.sha256,
        }
    }
}

/// A checked request for an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub release: Release,
    /// `None`: every node registered when the plan is executed.
    pub nodes: Option<BTreeSet<NodeName>>,
    pub strategy: Strategy,
}

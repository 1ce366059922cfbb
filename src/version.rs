//! Versions as the library's users see them (the first seed's names): of this crate, of a node, of a cluster.

use serde::{Deserialize, Serialize};

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVersion {
    pub node_id: String,
    pub name: String,
    /// As the running database says; `None` when its host was not reached.
    pub version: Option<String>,
    /// SHA-256 of the running executable, 64 hexadecimal digits.
    pub binary_sha256: Option<String>,
    pub reachable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterVersionInfo {
    pub nodes: Vec<NodeVersion>,
    /// All nodes were reached and run the same version.
    pub agree: bool,
}

//! How the database on this host is reached, started and kept. Only the host's own file says it, never the API.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::duration::Millis;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    #[serde(default)]
    pub adapter: Adapter,
    /// `http://host:port` of the database on this host.
    pub address: String,
    /// What the database was started with as `--node-id`; absent: the node's name.
    pub node_id: Option<String>,
    /// The file that is swapped.
    pub install_path: PathBuf,
    /// Without the program itself.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The whole environment of the database.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A file of `NAME=value` lines for secrets that belong into the environment.
    pub environment_file: Option<PathBuf>,
    /// Its working directory; absent: the directory of the install path.
    pub working_dir: Option<PathBuf>,
    /// Started as this user; absent: the daemon's own.
    pub user: Option<String>,
    #[serde(default = "default_log")]
    pub log: PathBuf,
    /// Two lines, user and password, for the database's own API.
    pub credentials_file: Option<PathBuf>,
    /// The certificate to trust where the database serves https.
    pub ca_file: Option<PathBuf>,
    #[serde(default = "default_timeout")]
    pub timeout: Millis,
    #[serde(default)]
    pub rejoin_evidence: RejoinEvidence,
    /// The URLs of the adapter `http`.
    pub http: Option<Http>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adapter {
    #[default]
    Aegis,
    Http,
}

/// Whose word proves that a node is back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejoinEvidence {
    #[default]
    Peers,
    /// The weaker one, for databases whose peers may not ask each other.
    #[serde(rename = "self")]
    Own,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub health: Endpoint,
    /// Where the version stands in the health answer (RFC 6901).
    #[serde(default = "default_pointer")]
    pub version_pointer: String,
    pub drain: Option<Endpoint>,
    pub undrain: Option<Endpoint>,
    /// Absent: stopping is the flush.
    pub flush: Option<Endpoint>,
    pub safe_to_stop: Option<Endpoint>,
    /// Arguments with which a new binary shows that it runs on this host.
    #[serde(default = "default_probe")]
    pub probe_arguments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub url: String,
    #[serde(default = "default_method")]
    pub method: String,
    #[serde(default = "default_statuses")]
    pub statuses: Vec<u16>,
}

fn default_log() -> PathBuf {
    PathBuf::from("/var/log/aegis-updates/database.log")
}

const fn default_timeout() -> Millis {
    Millis::seconds(2)
}

fn default_pointer() -> String {
    "/version".to_owned()
}

fn default_probe() -> Vec<String> {
    vec!["--help".to_owned()]
}

fn default_method() -> String {
    "GET".to_owned()
}

fn default_statuses() -> Vec<u16> {
    vec![200]
}

//! The one TOML file of a daemon: its keys, their defaults, and what is refused. Reading it is in
//! `load`, judging it in `check`. Nothing here starts anything.

pub mod check;
pub mod command;
pub mod database;
pub mod example;
pub mod load;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use check::Problem;
pub use database::Database;

use crate::base::duration::Millis;
use crate::base::ids::NodeName;
use crate::base::limits::{QUORUM_LOSS_GRACE, VOTERS_MAX};

/// Where the file lies unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/aegis-updates/config.toml";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub node: Node,
    #[serde(default)]
    pub cluster: Cluster,
    #[serde(default)]
    pub listen: Listen,
    #[serde(default)]
    pub tls: Option<Tls>,
    #[serde(default)]
    pub raft: Raft,
    #[serde(default)]
    pub timeouts: Timeouts,
    pub database: Database,
    #[serde(default)]
    pub log: Log,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    pub name: NodeName,
    pub zone: Option<String>,
    /// Holds `raft`, `ledger`, `artifacts`, `backups` and `tls`; mode 0700.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    #[serde(default = "default_control_socket")]
    pub control_socket: PathBuf,
}

/// What all members must agree on: read by `cluster init` only, from then on it is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    pub name: String,
    /// Refused below three times the worst election.
    pub quorum_loss_grace: Millis,
    /// Origins from which artifacts may come: URLs of directories, or `https://` for all of a scheme.
    pub url_allow: Vec<String>,
    pub max_voters: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    pub api: SocketAddr,
    pub members: SocketAddr,
    pub probes: SocketAddr,
    pub agent_check: SocketAddr,
    /// What others are told instead of `members`, where the two differ.
    pub members_advertised: Option<String>,
    /// What others are told instead of `api`: `https://host:port`.
    pub api_advertised: Option<String>,
    /// Allows an API listener beyond loopback without TLS; `cluster show` says so.
    pub insecure_plaintext: bool,
}

/// PEM files of the API listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Raft {
    pub profile: Profile,
    /// The three override the profile.
    pub heartbeat: Option<Millis>,
    pub election_min: Option<Millis>,
    pub election_max: Option<Millis>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Members in one zone: heartbeat 50 ms, election 150–300 ms.
    #[default]
    Lan,
    /// Members in several zones: heartbeat 250 ms, election 1–2 s.
    Wan,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    pub read: Millis,
    pub write: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A filter as tracing-subscriber reads it: `info`, or `info,aegis_updates::agent=debug`.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    Text,
    Json,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            name: "aegis".to_owned(),
            quorum_loss_grace: QUORUM_LOSS_GRACE,
            url_allow: vec!["https://".to_owned()],
            max_voters: VOTERS_MAX,
        }
    }
}

impl Default for Listen {
    /// Loopback until there is TLS; not 9090, which is the database's.
    fn default() -> Self {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            api: at(7460),
            members: at(7461),
            probes: at(7462),
            agent_check: at(7463),
            members_advertised: None,
            api_advertised: None,
            insecure_plaintext: false,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            read: Millis::seconds(2),
            write: Millis::seconds(2),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::default(),
        }
    }
}

impl Raft {
    /// Heartbeat, shortest and longest election timeout.
    pub fn timing(&self) -> (Millis, Millis, Millis) {
        let (heartbeat, min, max) = match self.profile {
            Profile::Lan => (Millis(50), Millis(150), Millis(300)),
            Profile::Wan => (Millis(250), Millis(1_000), Millis(2_000)),
        };
        (
            self.heartbeat.unwrap_or(heartbeat),
            self.election_min.unwrap_or(min),
            self.election_max.unwrap_or(max),
        )
    }
}

impl Listen {
    /// Where other members reach this one.
    pub fn members_address(&self) -> String {
        let own = || self.members.to_string();
        self.members_advertised.clone().unwrap_or_else(own)
    }

    /// Where clients reach this member's API.
    pub fn api_address(&self, tls: bool) -> String {
        let scheme = if tls { "https" } else { "http" };
        let own = || format!("{scheme}://{}", self.api);
        self.api_advertised.clone().unwrap_or_else(own)
    }
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("/var/lib/aegis-updates")
}

fn default_control_socket() -> PathBuf {
    PathBuf::from("/run/aegis-updates/control.sock")
}

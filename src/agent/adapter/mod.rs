//! How to talk to the database beside this daemon: its health and version, drain, and what its peers see.
//! One file per kind of database. Deadlines, retries and what follows from an answer are decided elsewhere.

pub mod aegis;
mod call;
mod error;
pub mod http;

pub use aegis::Aegis;
pub(in crate::agent) use call::client;
pub use error::Error;
pub use http::Http;

use serde::{Deserialize, Serialize};

/// What one look at the database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSample {
    pub healthy: bool,
    /// Of the running binary, in the database's own words.
    pub version: Option<String>,
    /// Why it is not healthy, or what it said.
    pub detail: String,
}

impl HealthSample {
    pub fn sick(detail: impl Into<String>) -> Self {
        Self {
            healthy: false,
            version: None,
            detail: detail.into(),
        }
    }
}

/// Another node's database, as this host reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub name: String,
    /// `host:port`
    pub address: String,
}

/// A node as one of its peers lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub online: bool,
    /// On that peer's own clock, in Unix milliseconds: comparable only with the same peer's.
    pub last_seen_ms: u64,
}

/// Whose word says that a node is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejoinEvidence {
    Peers,
    /// The weaker one: the node's own health.
    #[serde(rename = "self")]
    Itself,
}

/// How buffered writes reach the disk before the binary is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    Done,
    /// Stopping is the flush; there was nothing to do now.
    ByStop,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one adapter lives per daemon; a box would only hide it"
)]
pub enum Adapter {
    Aegis(Aegis),
    Http(Box<Http>),
}

impl Adapter {
    /// Never fails: what cannot be asked or understood is not healthy.
    pub async fn health(&self) -> HealthSample {
        match self {
            Self::Aegis(aegis) => aegis.health().await,
            Self::Http(http) => http.health().await,
        }
    }

    /// Another node's database; `None` where this kind cannot be asked about it by address alone.
    pub async fn health_of(&self, peer: &Peer) -> Option<HealthSample> {
        match self {
            Self::Aegis(aegis) => Some(aegis.health_of(peer).await),
            Self::Http(_) => None,
        }
    }

    /// Arguments with which a new binary shows that it runs on this host.
    pub fn probe_arguments(&self) -> &[String] {
        match self {
            Self::Aegis(aegis) => aegis.probe_arguments(),
            Self::Http(http) => http.probe_arguments(),
        }
    }

    /// `Err` carries the database's reason against a stop at this moment.
    pub async fn safe_to_stop(&self) -> Result<(), String> {
        match self {
            // Aegis says nothing about it.
            Self::Aegis(_) => Ok(()),
            Self::Http(http) => http.safe_to_stop().await,
        }
    }

    /// Asks for traffic to go elsewhere. Call it again and again while the node is to stay drained: some
    /// databases undo the mark by themselves.
    pub async fn drain(&self, peers: &[Peer]) -> Result<(), Error> {
        match self {
            Self::Aegis(aegis) => aegis.drain(peers).await,
            Self::Http(http) => http.drain().await,
        }
    }

    pub async fn undrain(&self) -> Result<(), Error> {
        match self {
            // The node's own next heartbeat undoes the mark at each peer.
            Self::Aegis(_) => Ok(()),
            Self::Http(http) => http.undrain().await,
        }
    }

    pub async fn flush(&self) -> Result<Flush, Error> {
        match self {
            Self::Aegis(_) => Ok(Flush::ByStop),
            Self::Http(http) => http.flush().await,
        }
    }

    pub fn rejoin_evidence(&self) -> RejoinEvidence {
        match self {
            Self::Aegis(aegis) => aegis.rejoin_evidence(),
            Self::Http(_) => RejoinEvidence::Itself,
        }
    }

    /// How the database at `peer` sees this node's; `None` when it does not list it at all.
    pub async fn peer_view(&self, peer: &Peer) -> Result<Option<Seen>, Error> {
        match self {
            Self::Aegis(aegis) => aegis.peer_view(peer).await,
            Self::Http(_) => Ok(None),
        }
    }
}

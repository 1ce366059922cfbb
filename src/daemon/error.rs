//! Why a daemon does not start, or does not go on, and with which status its process ends.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use aegis_updates_raft::member::StartError;
use aegis_updates_raft::pki;
use aegis_updates_raft::store::OpenError;

use super::{form, host, identity};
use crate::agent::{files, ledger_file, lock, marker, process};

/// Storage or an assertion: starting again at once would meet the same.
pub const EXIT_STORAGE: u8 = 70;
/// The configuration, or what it names on this host, must be changed by a person.
pub const EXIT_CONFIGURATION: u8 = 78;
/// Anything else may be better on the next start.
const EXIT_FAILED: u8 = 1;

#[derive(Debug)]
pub enum Error {
    /// Neither formed nor joined.
    NoCluster,
    Form(form::Error),
    Identity(identity::Error),
    Credentials(pki::Error),
    NoCredentials,
    Tls(String),
    Marker(marker::Error),
    Host(host::Error),
    Process(process::Error),
    Ledger(ledger_file::Error),
    Lock(lock::Error),
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    Store(OpenError),
    Start(StartError),
    Clock(io::Error),
    Files(files::Error),
    /// The store failed while running.
    Fatal(String),
}

impl Error {
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NoCluster
            | Self::Identity(identity::Error::Foreign { .. })
            | Self::NoCredentials
            | Self::Tls(_)
            | Self::Marker(_)
            | Self::Host(_)
            | Self::Process(_)
            | Self::Ledger(ledger_file::Error::Foreign { .. })
            | Self::Form(
                form::Error::Member { .. } | form::Error::Refused(_) | form::Error::Origins(_),
            )
            | Self::Listen { .. } => EXIT_CONFIGURATION,
            Self::Store(_)
            | Self::Start(_)
            | Self::Files(_)
            | Self::Fatal(_)
            | Self::Ledger(ledger_file::Error::Io(_))
            | Self::Identity(identity::Error::Io(_))
            | Self::Credentials(_) => EXIT_STORAGE,
            Self::Form(_) | Self::Lock(_) | Self::Clock(_) => EXIT_FAILED,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCluster => f.write_str(
                "this host belongs to no cluster: run `aegis-updates cluster init` on one host, and \
                 start the others with `aegis-updates serve --join FILE` with a file \
                 that holds a token from `cluster join-token`",
            ),
            Self::Form(error) => error.fmt(f),
            Self::Identity(error) => error.fmt(f),
            Self::Credentials(error) => error.fmt(f),
            Self::NoCredentials => f.write_str(
                "the member's key is missing from the data directory: remove this node from the \
                 cluster and join it anew",
            ),
            Self::Tls(reason) => write!(f, "[tls]: {reason}"),
            Self::Marker(error) => error.fmt(f),
            Self::Host(error) => error.fmt(f),
            Self::Process(error) => error.fmt(f),
            Self::Ledger(error) => error.fmt(f),
            Self::Lock(error) => error.fmt(f),
            Self::Listen { address, source } => {
                write!(f, "{address} cannot be listened on: {source}")
            }
            Self::Store(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::Clock(error) => write!(f, "the host's clocks cannot be read: {error}"),
            Self::Files(error) => write!(f, "{error}: {}", error.source),
            Self::Fatal(reason) => write!(f, "this member cannot go on: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

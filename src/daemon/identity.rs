//! Who this host is in which cluster, as a file beside the stores. Written before a host forms or joins,
//! so that a crash in between is gone on with, and never made anew.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aegis_updates_raft::fail_point::fail_point;
use serde::{Deserialize, Serialize};

use crate::agent::files::{self, at};
use crate::base::digest::Digest;
use crate::base::ids::{MemberId, NodeName};
use crate::machine::command::Founder;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub cluster: String,
    pub member: MemberId,
    pub incarnation: u64,
    pub node: NodeName,
    /// Set until the cluster is formed and the log says so.
    pub founding: Option<Founder>,
    /// This member was part of the group: from then on an absent store is an error.
    pub established: bool,
}

/// What a joiner keeps before it asks, so that it can ask again as the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    pub nonce: Digest,
    pub csr_pem: String,
    pub key_pem: String,
}

#[derive(Debug)]
pub enum Error {
    Io(files::Error),
    /// The directory is another node's.
    Foreign {
        path: PathBuf,
        owner: NodeName,
    },
}

impl Identity {
    /// `None`: this host belongs to no cluster.
    pub fn load(data_dir: &Path, node: &NodeName) -> Result<Option<Self>, Error> {
        let path = path(data_dir);
        let Some(identity) = read::<Self>(&path)? else {
            return Ok(None);
        };
        if identity.node == *node {
            Ok(Some(identity))
        } else {
            let owner = identity.node;
            Err(Error::Foreign { path, owner })
        }
    }

    pub fn save(&self, data_dir: &Path) -> Result<(), Error> {
        fail_point("identity.before");
        write(&path(data_dir), self)?;
        fail_point("identity.after");
        Ok(())
    }
}

impl Joining {
    pub fn load(data_dir: &Path) -> Result<Option<Self>, Error> {
        read(&joining_path(data_dir))
    }

    pub fn save(&self, data_dir: &Path) -> Result<(), Error> {
        fail_point("joining.before");
        write(&joining_path(data_dir), self)?;
        fail_point("joining.after");
        Ok(())
    }

    /// It has joined: the nonce and the key's copy are needed no more.
    pub fn forget(data_dir: &Path) -> Result<(), Error> {
        fail_point("joining.forget");
        files::remove_durably(&joining_path(data_dir)).map_err(Error::Io)
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("member.json")
}

fn joining_path(data_dir: &Path) -> PathBuf {
    data_dir.join("joining.json")
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, Error> {
    let Some(bytes) = files::read_if_present(path).map_err(Error::Io)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Error::Io(at("understand", path)(io::Error::other(error))))
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| Error::Io(at("encode", path)(io::Error::other(error))))?;
    files::write_durably(path, &bytes, 0o600).map_err(Error::Io)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}: {}", error.source),
            Self::Foreign { path, owner } => write!(
                f,
                "{} belongs to node {owner}: give this node a data directory of its own",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

//! The trailer that makes one build of the reference node into any number of releases.
//! No process, no network and no fault behaviour lives here: only bytes at the end of a file.
//!
//! Layout, from the end of the file backwards: magic (16 bytes), SHA-256 of the JSON (32), length of
//! the JSON (4, little-endian), the JSON. An ELF loader ignores bytes after the last segment, so the
//! file stays runnable while its digest changes with every byte of the JSON.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 16] = b"reference-node/1";
const DIGEST_LEN: u64 = 32;
const FOOT_LEN: u64 = 4 + DIGEST_LEN + 16;

/// A release names a version, a fault and a few nodes: far below this.
const RELEASE_LEN_MAX: u64 = 64 * 1024;

/// The version of an executable that carries no trailer: plainly not a release.
const VERSION_UNMINTED: &str = "0.0.0-unminted";

/// What one minted executable claims to be and how it misbehaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: String,
    /// As text (`kind` or `kind=argument`), so that this file needs to know no fault.
    pub fault: String,
    /// Two releases that agree in everything else get different digests by it.
    #[serde(default)]
    pub salt: String,
    /// The fault strikes only on these node ids; empty means on every node.
    #[serde(default)]
    pub only_nodes: Vec<String>,
    /// The fault strikes only from this start of the node on; 0 and 1 both mean from the first.
    #[serde(default)]
    pub from_start: u64,
}

impl Release {
    /// A release that behaves well.
    pub fn sound(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            fault: "none".to_owned(),
            salt: String::new(),
            only_nodes: Vec::new(),
            from_start: 0,
        }
    }
}

#[derive(Debug)]
pub enum Error {
    Io {
        doing: &'static str,
        path: String,
        source: io::Error,
    },
    Damaged {
        path: String,
        what: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, .. } => write!(f, "{doing} {path} failed"),
            Self::Damaged { path, what } => {
                write!(
                    f,
                    "the trailer of {path} is damaged: {what}; mint the file again"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Damaged { .. } => None,
        }
    }
}

/// Writes `base` (without a trailer of its own, if it has one) and `release` to `out`, mode 0755.
///
/// A process that forks while `out` is open for writing makes a later start of `out` fail with
/// "text file busy"; callers with threads use the `mint` subcommand instead of this function.
pub fn mint(base: &Path, out: &Path, release: &Release) -> Result<(), Error> {
    let json = serde_json::to_vec(release).map_err(|source| Error::Io {
        doing: "encoding the release for",
        path: name(out),
        source: source.into(),
    })?;
    let at = |doing: &'static str, path: &Path| {
        let path = name(path);
        move |source| Error::Io {
            doing,
            path,
            source,
        }
    };
    let body_len = body_len(base)?;
    fs::copy(base, out).map_err(at("copying the executable to", out))?;
    fs::set_permissions(out, fs::Permissions::from_mode(0o755))
        .map_err(at("setting the mode of", out))?;
    let mut file = OpenOptions::new()
        .write(true)
        .open(out)
        .map_err(at("opening", out))?;
    file.set_len(body_len)
        .map_err(at("cutting the old trailer off", out))?;
    file.seek(SeekFrom::End(0)).map_err(at("seeking in", out))?;
    let length = u32::try_from(json.len()).map_err(|_| Error::Damaged {
        path: name(out),
        what: "the release is too large".to_owned(),
    })?;
    let mut foot = json.clone();
    foot.extend_from_slice(&length.to_le_bytes());
    foot.extend_from_slice(&Sha256::digest(&json));
    foot.extend_from_slice(MAGIC);
    file.write_all(&foot)
        .map_err(at("writing the trailer of", out))?;
    file.sync_all().map_err(at("syncing", out))
}

/// The release that `path` carries; an executable without a trailer is sound and unminted.
pub fn read(path: &Path) -> Result<Release, Error> {
    Ok(locate(path)?.map_or_else(|| Release::sound(VERSION_UNMINTED), |(_, release)| release))
}

fn body_len(path: &Path) -> Result<u64, Error> {
    match locate(path)? {
        Some((body_len, _)) => Ok(body_len),
        None => fs::metadata(path)
            .map(|metadata| metadata.len())
            .map_err(|source| Error::Io {
                doing: "looking at",
                path: name(path),
                source,
            }),
    }
}

/// The length of the executable before its trailer, and the trailer; `None` without a trailer.
fn locate(path: &Path) -> Result<Option<(u64, Release)>, Error> {
    let at = |doing: &'static str| {
        move |source| Error::Io {
            doing,
            path: name(path),
            source,
        }
    };
    let damaged = |what: &str| Error::Damaged {
        path: name(path),
        what: what.to_owned(),
    };
    let mut file = File::open(path).map_err(at("opening"))?;
    let total = file.seek(SeekFrom::End(0)).map_err(at("seeking in"))?;
    let Some(foot_at) = total.checked_sub(FOOT_LEN) else {
        return Ok(None);
    };
    let mut length = [0; 4];
    let mut digest = [0; DIGEST_LEN as usize];
    let mut magic = [0; MAGIC.len()];
    file.seek(SeekFrom::Start(foot_at))
        .map_err(at("seeking in"))?;
    for part in [&mut length[..], &mut digest[..], &mut magic[..]] {
        file.read_exact(part)
            .map_err(at("reading the trailer of"))?;
    }
    if &magic != MAGIC {
        return Ok(None);
    }
    let length = u64::from(u32::from_le_bytes(length));
    if length > RELEASE_LEN_MAX {
        return Err(damaged("its length is impossible"));
    }
    let body_len = foot_at
        .checked_sub(length)
        .ok_or_else(|| damaged("it is longer than the file"))?;
    file.seek(SeekFrom::Start(body_len))
        .map_err(at("seeking in"))?;
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json)
        .map_err(at("reading the trailer of"))?;
    if Sha256::digest(&json).as_slice() != digest {
        return Err(damaged("its checksum does not match"));
    }
    let release = serde_json::from_slice(&json).map_err(|source| damaged(&source.to_string()))?;
    Ok(Some((body_len, release)))
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

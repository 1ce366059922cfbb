//! The host's part, made from its configuration: adapter, process manager, and what the resident parent
//! reads from the same file. Nothing is started here.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::places::Places;
use crate::agent::adapter::{self, Adapter, Aegis, Http, RejoinEvidence, aegis, http};
use crate::agent::files::{self, at};
use crate::agent::process::Supervised;
use crate::agent::resident;
use crate::config::{Config, database};

/// The configuration names something that this host does not have.
#[derive(Debug)]
pub enum Error {
    Adapter(adapter::Error),
    Io(files::Error),
    Address { address: String },
    UnknownUser { user: String },
    Environment { path: PathBuf, line: usize },
}

/// How the daemon reaches the database.
pub fn adapter(config: &Config) -> Result<Arc<Adapter>, Error> {
    let database = &config.database;
    let adapter = match database.adapter {
        database::Adapter::Aegis => {
            let credentials = database.credentials_file.as_deref();
            let credentials = credentials
                .map(aegis::Credentials::from_file)
                .transpose()
                .map_err(Error::Adapter)?;
            let settings = aegis::Settings {
                address: host_and_port(&database.address)?.to_owned(),
                node_id: match &database.node_id {
                    Some(id) => id.clone(),
                    None => config.node.name.to_string(),
                },
                timeout: database.timeout.as_duration(),
                authority: database.ca_file.clone(),
                rejoin_evidence: match database.rejoin_evidence {
                    database::RejoinEvidence::Peers => RejoinEvidence::Peers,
                    database::RejoinEvidence::Own => RejoinEvidence::Itself,
                },
            };
            Adapter::Aegis(Aegis::new(settings, credentials).map_err(Error::Adapter)?)
        }
        database::Adapter::Http => {
            let Some(configured) = &database.http else {
                return Err(Error::Address {
                    address: "[database.http] is missing".to_owned(),
                });
            };
            let settings = http::Settings {
                health: endpoint(&configured.health),
                version_pointer: configured.version_pointer.clone(),
                drain: configured.drain.as_ref().map(endpoint),
                undrain: configured.undrain.as_ref().map(endpoint),
                flush: configured.flush.as_ref().map(endpoint),
                safe_to_stop: configured.safe_to_stop.as_ref().map(endpoint),
                probe_arguments: configured.probe_arguments.clone(),
                timeout: database.timeout.as_duration(),
            };
            Adapter::Http(Box::new(Http::new(settings).map_err(Error::Adapter)?))
        }
    };
    Ok(Arc::new(adapter))
}

fn endpoint(configured: &database::Endpoint) -> http::Endpoint {
    http::Endpoint {
        url: configured.url.clone(),
        method: configured.method.clone(),
        statuses: configured.statuses.clone(),
    }
}

/// The daemon's side of the resident parent, which is started as `run-database` with the same file.
pub fn process(config: &Config, config_path: &Path) -> Result<Supervised, Error> {
    let address = host_and_port(&config.database.address)?;
    let port = address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .ok_or_else(|| Error::Address {
            address: config.database.address.clone(),
        })?;
    let program = std::env::current_exe()
        .map_err(at("find this program in", Path::new("/proc/self/exe")))
        .map_err(Error::Io)?;
    let command: Vec<OsString> = vec![
        program.into(),
        "run-database".into(),
        "--config".into(),
        config_path.into(),
    ];
    Ok(Supervised::new(resident_settings(config)?, port, command))
}

/// What `run-database` runs with.
pub fn resident_settings(config: &Config) -> Result<resident::Settings, Error> {
    let database = &config.database;
    let places = Places::of(config);
    let beside = files::parent(&database.install_path).to_owned();
    let mut environment = database.environment.clone();
    if let Some(path) = &database.environment_file {
        environment.extend(read_environment(path)?);
    }
    let settings = resident::Settings::new(
        places.resident,
        database.install_path.clone(),
        database.arguments.clone(),
    );
    Ok(resident::Settings {
        environment,
        working_dir: database.working_dir.clone().unwrap_or(beside),
        log: database.log.clone(),
        owner: database.user.as_deref().map(owner).transpose()?,
        ..settings
    })
}

fn read_environment(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(at("read", path))
        .map_err(Error::Io)?;
    let lines = text.lines().enumerate();
    let written = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let pairs = written.map(|(at, line)| match line.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.to_owned())),
        None => Err(Error::Environment {
            path: path.to_owned(),
            line: at + 1,
        }),
    });
    pairs.collect()
}

/// Looked up in the host's own file, which is where service users are.
fn owner(user: &str) -> Result<resident::Owner, Error> {
    let path = Path::new("/etc/passwd");
    let text = std::fs::read_to_string(path)
        .map_err(at("read", path))
        .map_err(Error::Io)?;
    owner_in(&text, user).ok_or_else(|| Error::UnknownUser {
        user: user.to_owned(),
    })
}

/// passwd(5): name, password, user id, group id, and more.
fn owner_in(passwd: &str, user: &str) -> Option<resident::Owner> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != user {
            return None;
        }
        Some(resident::Owner {
            user: fields.nth(1)?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    })
}

/// `http://host:port/` as `host:port`.
pub fn host_and_port(address: &str) -> Result<&str, Error> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.contains(':') {
        true => Ok(authority),
        false => Err(Error::Address {
            address: address.to_owned(),
        }),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adapter(error) => write!(f, "database: {error}"),
            Self::Io(error) => write!(f, "{error}: {}", error.source),
            Self::Address { address } => {
                write!(f, "database.address: `{address}` is not `http://host:port`")
            }
            Self::UnknownUser { user } => {
                write!(f, "database.user: there is no user `{user}` on this host")
            }
            Self::Environment { path, line } => {
                write!(f, "{}, line {line}: write NAME=value", path.display())
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\naegis:x:998:997::/:/bin/false\n";
        let aegis = owner_in(passwd, "aegis").unwrap();
        assert_eq!((aegis.user, aegis.group), (998, 997));
        assert_eq!(owner_in(passwd, "aeg"), None);
    }

    #[test]
    fn an_address_names_host_and_port() {
        assert_eq!(
            host_and_port("http://127.0.0.1:9090/").unwrap(),
            "127.0.0.1:9090"
        );
        assert!(host_and_port("http://localhost").is_err());
    }

    #[test]
    fn an_environment_file_is_read_line_by_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("env");
        std::fs::write(&path, "# secrets\nA=1=2\n\nB=\n").unwrap();
        let read = read_environment(&path).unwrap();
        assert_eq!(
            read,
            [("A".into(), "1=2".into()), ("B".into(), String::new())]
        );
        std::fs::write(&path, "A=1\nnonsense\n").unwrap();
        assert!(matches!(
            read_environment(&path),
            Err(Error::Environment { line: 2, .. })
        ));
    }
}

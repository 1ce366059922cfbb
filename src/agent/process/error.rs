//! What can go wrong with the database's process, and which class of failure (SPEC §9) each is.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::agent::files;
use crate::base::failure::Class;

#[derive(Debug)]
pub enum Error {
    Io(files::Error),
    /// The resident parent does not answer, and did not come up.
    NoResident {
        data_dir: PathBuf,
        source: io::Error,
    },
    /// The database got its SIGTERM and still runs; it was not killed.
    StillStopping {
        timeout: Duration,
    },
    NotAllowed {
        why: String,
    },
    StartFailed {
        why: String,
    },
    /// A database on our port that is not ours. It is never touched and never duplicated.
    ForeignDatabase {
        port: u16,
        pid: Option<u32>,
        executable: Option<PathBuf>,
    },
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::Io(error) if error.is_disk_full() => Class::DiskFull,
            // Stopping is what saves the data, so a stop that does not end is a flush that failed.
            Self::StillStopping { .. } => Class::FlushFailed,
            Self::NotAllowed { .. } => Class::ApplyFailed,
            Self::Io(_)
            | Self::NoResident { .. }
            | Self::StartFailed { .. }
            | Self::ForeignDatabase { .. } => Class::LauncherActivationFailed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoResident { data_dir, .. } => write!(
                f,
                "no run-database process answers in {}; its log there says why",
                data_dir.display()
            ),
            Self::StillStopping { timeout } => write!(
                f,
                "the database still runs {timeout:?} after SIGTERM; it goes on stopping and was not killed"
            ),
            Self::NotAllowed { why } | Self::StartFailed { why } => {
                write!(f, "the database was not started: {why}")
            }
            Self::ForeignDatabase {
                port,
                pid,
                executable,
            } => {
                write!(f, "port {port} is held by ")?;
                match pid {
                    Some(pid) => write!(f, "process {pid}")?,
                    None => f.write_str("a process that this user may not look into")?,
                }
                if let Some(executable) = executable {
                    write!(f, " ({})", executable.display())?;
                }
                f.write_str(", which was not started here: stop it, or configure another port")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&error.source),
            Self::NoResident { source, .. } => Some(source),
            Self::StillStopping { .. }
            | Self::NotAllowed { .. }
            | Self::StartFailed { .. }
            | Self::ForeignDatabase { .. } => None,
        }
    }
}

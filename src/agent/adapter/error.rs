//! What can go wrong in talking to a database.

use std::fmt;
use std::path::PathBuf;

#[derive(Debug)]
pub enum Error {
    /// The HTTP client could not be built, from a bad certificate for example.
    Client(reqwest::Error),
    NoAnswer {
        url: String,
        source: reqwest::Error,
    },
    UnexpectedStatus {
        url: String,
        status: u16,
    },
    NotUnderstood {
        url: String,
        why: String,
    },
    /// Answered 200, and said no in the body.
    SaidNo {
        url: String,
        message: String,
    },
    LoginRefused {
        url: String,
        status: u16,
    },
    Credentials {
        path: PathBuf,
        why: String,
    },
    BadSetting {
        setting: &'static str,
        why: String,
    },
    /// Some peers did not take the drain mark.
    Peers(Vec<(String, Box<Error>)>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(_) => f.write_str("cannot prepare to talk to the database"),
            Self::NoAnswer { url, source } if source.is_timeout() => {
                write!(f, "{url} did not answer in time")
            }
            Self::NoAnswer { url, .. } => write!(f, "{url} does not answer"),
            Self::UnexpectedStatus { url, status } => write!(f, "{url} answered {status}"),
            Self::NotUnderstood { url, why } => {
                write!(f, "the answer of {url} is not understood: {why}")
            }
            Self::SaidNo { url, message } => write!(f, "{url} refused: {message}"),
            Self::LoginRefused { url, status } => write!(
                f,
                "{url} refused the login with {status}: check the configured database user"
            ),
            Self::Credentials { path, why } => {
                write!(f, "the database credentials in {} {why}", path.display())
            }
            Self::BadSetting { setting, why } => write!(f, "the setting {setting} {why}"),
            Self::Peers(failed) => {
                f.write_str("not every peer was told:")?;
                for (name, error) in failed {
                    write!(f, " {name}: {error};")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client(source) | Self::NoAnswer { source, .. } => Some(source),
            _ => None,
        }
    }
}

//! What can go wrong with a binary, and which class of failure (SPEC §9) each is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::room::Shortage;
use crate::agent::files;
use crate::base::digest::Digest;
use crate::base::failure::Class;
use crate::plans::origins::NotAllowed;

#[derive(Debug)]
pub enum Error {
    /// Input or output while a new binary was fetched or judged.
    Staging(files::Error),
    /// Input or output while a binary was kept or put in place.
    Applying(files::Error),
    NoRoom(Shortage),
    UrlNotAllowed(NotAllowed),
    /// The origin could not be reached, or broke off.
    Origin {
        url: String,
        doing: &'static str,
        source: reqwest::Error,
    },
    OriginRefused {
        url: String,
        status: u16,
    },
    TooLarge {
        url: String,
        size_max: u64,
    },
    TooSlow {
        url: String,
        received: u64,
        window: Duration,
    },
    DeadlinePassed {
        url: String,
        deadline: Duration,
    },
    /// Another download of the same artifact is under way on this host.
    Busy {
        path: PathBuf,
    },
    DigestMismatch {
        path: PathBuf,
        expected: Digest,
        found: Digest,
    },
    NotElf {
        path: PathBuf,
        why: &'static str,
    },
    WrongMachine {
        path: PathBuf,
        found: u16,
    },
    Truncated {
        path: PathBuf,
        what: &'static str,
        end: u64,
        length: u64,
    },
    /// A symbolic link, a directory, a device, or a file with more than one name.
    NotPlain {
        path: PathBuf,
        why: &'static str,
    },
    /// The new file cannot be given what the installed file has.
    AttributeNotKept {
        path: PathBuf,
        what: String,
        source: std::io::Error,
    },
    /// Somebody else changed the file between its check and its use.
    ChangedUnderneath {
        path: PathBuf,
    },
    ProbeFailed {
        path: PathBuf,
        outcome: String,
        output: String,
    },
}

impl Error {
    pub fn class(&self) -> Class {
        match self {
            Self::Staging(error) | Self::Applying(error) if error.is_disk_full() => Class::DiskFull,
            Self::NoRoom(_) => Class::DiskFull,
            Self::Applying(_)
            | Self::NotPlain { .. }
            | Self::AttributeNotKept { .. }
            | Self::ChangedUnderneath { .. } => Class::ApplyFailed,
            Self::Staging(_)
            | Self::UrlNotAllowed(_)
            | Self::Origin { .. }
            | Self::OriginRefused { .. }
            | Self::TooLarge { .. }
            | Self::TooSlow { .. }
            | Self::DeadlinePassed { .. }
            | Self::Busy { .. }
            | Self::DigestMismatch { .. }
            | Self::NotElf { .. }
            | Self::WrongMachine { .. }
            | Self::Truncated { .. }
            | Self::ProbeFailed { .. } => Class::StagingFailed,
        }
    }

    /// The same act may succeed later with nothing changed by an operator.
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Origin { .. }
            | Self::TooSlow { .. }
            | Self::DeadlinePassed { .. }
            | Self::Busy { .. } => true,
            Self::OriginRefused { status, .. } => *status >= 500 || *status == 429,
            // An origin that changed its content between reads may have finished changing.
            Self::DigestMismatch { .. } => true,
            Self::Staging(error) | Self::Applying(error) => !error.is_disk_full(),
            Self::NoRoom(_)
            | Self::UrlNotAllowed(_)
            | Self::TooLarge { .. }
            | Self::NotElf { .. }
            | Self::WrongMachine { .. }
            | Self::Truncated { .. }
            | Self::NotPlain { .. }
            | Self::AttributeNotKept { .. }
            | Self::ChangedUnderneath { .. }
            | Self::ProbeFailed { .. } => false,
        }
    }

    pub(super) fn mismatch(path: &Path, expected: &Digest, found: Digest) -> Self {
        Self::DigestMismatch {
            path: path.to_owned(),
            expected: *expected,
            found,
        }
    }
}

impl From<NotAllowed> for Error {
    fn from(refused: NotAllowed) -> Self {
        Self::UrlNotAllowed(refused)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Staging(error) | Self::Applying(error) => error.fmt(f),
            Self::NoRoom(shortage) => shortage.fmt(f),
            Self::UrlNotAllowed(refused) => refused.fmt(f),
            Self::Origin { url, doing, .. } => write!(f, "cannot {doing} {url}"),
            Self::OriginRefused { url, status } => write!(f, "{url} answered {status}"),
            Self::TooLarge { url, size_max } => {
                write!(f, "{url} is larger than the limit of {size_max} bytes")
            }
            Self::TooSlow {
                url,
                received,
                window,
            } => write!(f, "{url} sent only {received} bytes in {window:?}"),
            Self::DeadlinePassed { url, deadline } => {
                write!(f, "{url} was not whole after {deadline:?}")
            }
            Self::Busy { path } => write!(f, "{} is being written already", path.display()),
            Self::DigestMismatch {
                path,
                expected,
                found,
            } => write!(
                f,
                "{} has the SHA-256 {found}, expected was {expected}",
                path.display()
            ),
            Self::NotElf { path, why } => {
                write!(f, "{} is no program for Linux: {why}", path.display())
            }
            Self::WrongMachine { path, found } => write!(
                f,
                "{} is for another machine (ELF machine {found}, this host is {}): offer the file for this platform",
                path.display(),
                super::elf::MACHINE
            ),
            Self::Truncated {
                path,
                what,
                end,
                length,
            } => write!(
                f,
                "{} is truncated: its {what} would end at byte {end}, the file has {length}",
                path.display()
            ),
            Self::NotPlain { path, why } => write!(f, "{} {why}", path.display()),
            Self::AttributeNotKept { path, what, .. } => write!(
                f,
                "{} has {what}, which the new file cannot be given",
                path.display()
            ),
            Self::ChangedUnderneath { path } => write!(
                f,
                "{} was changed by somebody else while it was being put in place",
                path.display()
            ),
            Self::ProbeFailed {
                path,
                outcome,
                output,
            } => write!(f, "the probe of {} {outcome}: {output}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Staging(error) | Self::Applying(error) => Some(&error.source),
            Self::Origin { source, .. } => Some(source),
            Self::AttributeNotKept { source, .. } => Some(source),
            _ => None,
        }
    }
}

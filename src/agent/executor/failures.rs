//! How the host's errors read to the machine: would another try help?

use crate::agent::adapter;
use crate::agent::binary;
use crate::agent::machine::{Failure, FailureKind};
use crate::agent::process;
use crate::base::duration::Millis;
use crate::base::failure::Class;

pub fn of_binary(error: binary::Error) -> Failure {
    let kind = match error.class() {
        Class::DiskFull => FailureKind::DiskFull,
        _ if error.is_worth_a_retry() => FailureKind::Passing,
        _ => FailureKind::Lasting,
    };
    Failure::new(kind, with_source(&error))
}

pub fn of_process(error: process::Error) -> Failure {
    let kind = match &error {
        _ if error.class() == Class::DiskFull => FailureKind::DiskFull,
        process::Error::StillStopping { .. } => FailureKind::TimedOut,
        process::Error::NotAllowed { .. } | process::Error::ForeignDatabase { .. } => {
            FailureKind::Lasting
        }
        process::Error::Io(_)
        | process::Error::NoResident { .. }
        | process::Error::StartFailed { .. } => FailureKind::Passing,
    };
    Failure::new(kind, with_source(&error))
}

pub fn of_adapter(error: adapter::Error) -> Failure {
    Failure::new(FailureKind::Passing, with_source(&error))
}

pub fn timed_out(doing: &str, after: Millis) -> Failure {
    Failure::new(
        FailureKind::TimedOut,
        format!("{doing} did not end within {after}"),
    )
}

/// The sentence and its cause: the machine's report is all that an operator far away will see.
fn with_source(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

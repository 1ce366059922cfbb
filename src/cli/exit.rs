//! How the program ends: one number for each outcome that a script may want to tell apart.

use std::fmt;
use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Error, Refused};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The requested outcome was reached; a rollback that was asked for, too.
    Reached = 0,
    Internal = 1,
    Usage = 2,
    Refused = 3,
    NotAllowed = 4,
    Unavailable = 5,
    /// The plan goes on.
    StillRunning = 6,
    OutcomeUnknown = 7,
    PlanFailed = 10,
    /// An update was asked for, and taken back.
    RolledBack = 11,
    Cancelled = 12,
    NeedsOperator = 13,
    Storage = 70,
    Configuration = 78,
}

#[derive(Debug)]
pub enum Failure {
    Client(Error),
    /// Something is wrong with the command itself.
    Usage(String),
    /// The person said no, or there was nobody to ask.
    NotConfirmed(String),
}

impl Exit {
    /// Of a plan as the API shows it. `back`: taking back is what was asked for.
    pub fn of_plan(plan: &Value, back: bool) -> Self {
        let stuck = |node: &Value| node["status"] == "NeedsOperator";
        let needs_operator = plan["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.iter().any(stuck));
        match plan["status"].as_str() {
            Some("Completed") => Self::Reached,
            Some("RolledBack") if back => Self::Reached,
            Some("RolledBack") => Self::RolledBack,
            Some("Cancelled") => Self::Cancelled,
            Some("Failed") if needs_operator => Self::NeedsOperator,
            Some("Failed") => Self::PlanFailed,
            Some("Paused") => Self::NeedsOperator,
            _ => Self::StillRunning,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Failure {
    pub fn usage(what: impl Into<String>) -> Self {
        Self::Usage(what.into())
    }

    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Client(Error::Setting { .. }) => Exit::Usage,
            Self::NotConfirmed(_) => Exit::Refused,
            Self::Client(Error::Unreachable { .. }) => Exit::Unavailable,
            Self::Client(Error::OutcomeUnknown { .. }) => Exit::OutcomeUnknown,
            Self::Client(Error::NotUnderstood { .. }) => Exit::Internal,
            Self::Client(Error::Refused(refused)) => of_refused(refused),
        }
    }
}

fn of_refused(refused: &Refused) -> Exit {
    match refused.status {
        400 => Exit::Usage,
        401 | 403 => Exit::NotAllowed,
        503 if refused.code == "outcome_unknown" => Exit::OutcomeUnknown,
        429 | 503 => Exit::Unavailable,
        500.. => Exit::Internal,
        _ => Exit::Refused,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => {
                write!(f, "error: {error}")?;
                let remedy = match error {
                    Error::Refused(refused) => refused.remedy.as_str(),
                    Error::Unreachable { .. } => {
                        "is the daemon running? `--endpoint` names another member"
                    }
                    Error::OutcomeUnknown { .. } => {
                        "look before repeating: `status` and `journal list` show what happened"
                    }
                    Error::Setting { .. } | Error::NotUnderstood { .. } => "",
                };
                if remedy.is_empty() {
                    Ok(())
                } else {
                    write!(f, "\n  help: {remedy}")
                }
            }
            Self::Usage(what) => write!(f, "error: {what}"),
            Self::NotConfirmed(what) => write!(f, "nothing was done: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_update_taken_back_is_no_success_and_a_rollback_asked_for_is() {
        let ended = |status: &str, back| Exit::of_plan(&json!({ "status": status }), back);
        assert_eq!(ended("Completed", false), Exit::Reached);
        assert_eq!(ended("RolledBack", false), Exit::RolledBack);
        assert_eq!(ended("RolledBack", true), Exit::Reached);
        assert_eq!(ended("Failed", true), Exit::PlanFailed);
        assert_eq!(ended("Cancelled", false), Exit::Cancelled);
        assert_eq!(ended("Paused", false), Exit::NeedsOperator);
        assert_eq!(ended("InProgress", false), Exit::StillRunning);
        let stuck = json!({ "status": "Failed", "nodes": [{ "status": "NeedsOperator" }] });
        assert_eq!(Exit::of_plan(&stuck, false), Exit::NeedsOperator);
    }
}

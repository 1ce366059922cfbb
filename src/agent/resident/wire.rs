//! The words between daemon and resident: one JSON object a line, over the socket in the data directory.
//! Fields may be added, never renamed: a resident outlives the daemon's version that started it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::memory::Life;
use crate::base::digest::Digest;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Request {
    Status,
    /// The database goes down by one SIGTERM and stays down.
    Stop {
        timeout_ms: u64,
    },
    /// The database comes up and stays up; `expected` is refused when another binary is installed.
    Start {
        expected: Option<Digest>,
    },
    /// As stop, then the resident ends too.
    Shutdown {
        timeout_ms: u64,
    },
}

impl Request {
    pub fn stop(timeout: Duration) -> Self {
        Self::Stop {
            timeout_ms: milliseconds(timeout),
        }
    }

    pub fn shutdown(timeout: Duration) -> Self {
        Self::Shutdown {
            timeout_ms: milliseconds(timeout),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub outcome: Outcome,
    pub status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// The stop goes on; the database was not killed, unless the configuration says so.
    StillStopping,
    /// Nothing was started: the installed binary is not one that may run.
    NotAllowed {
        why: String,
    },
    StartFailed {
        why: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    Up,
    Down,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub resident_pid: u32,
    pub desired: Desired,
    pub database: Option<Life>,
    /// SIGTERM was sent to the process that runs.
    pub stopping: bool,
    /// Starts after the first in this resident's life that nobody asked for.
    pub restarts: u64,
    pub last_exit: Option<Exit>,
    /// Five ends in five minutes; starting goes on.
    pub crash_loop: bool,
    /// Why the database is down although it should be up.
    pub problem: Option<String>,
    /// Sessions of the databases started here: their leftovers are no strangers.
    pub sessions: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub life: Life,
    /// Both absent: it was found running, and its parent, who alone could tell, is gone.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub lived_ms: u64,
    /// It had been told to stop.
    pub asked: bool,
}

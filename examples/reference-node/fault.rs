//! How a release misbehaves: the closed list of faults, their text form, and the switch that a
//! running node reads. What a fault does is in the file that has the behaviour it spoils.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::trailer::Release;

/// Text form: `kind` or `kind=argument`; times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    None,
    CrashAtStart,
    /// Runs, but never opens its port.
    HangAtStart,
    /// Healthy for a while, then exits with status 1 without saving.
    ExitAfter {
        ms: u64,
    },
    /// Healthy for a while, then answers 503.
    UnhealthyAfter {
        ms: u64,
    },
    WrongVersion {
        reported: String,
    },
    IgnoreTerm,
    /// After its exit a child goes on holding the listening socket for this long.
    KeepPort {
        ms: u64,
    },
    SlowStop {
        ms: u64,
    },
    /// `/health` answers 503.
    NeverHealthy,
    /// `/health` answers 200 with something that is not JSON.
    GarbageHealth,
    /// Healthy and unhealthy by turns, each for `period_ms`.
    Flapping {
        period_ms: u64,
    },
    /// `/health` says healthy while every write fails.
    LyingHealth,
    SlowHealth {
        ms: u64,
    },
    /// Rewrites the data so that a release without this fault refuses to open it.
    ChangesFormat,
}

impl Fault {
    /// Faults that happen before the port opens, or at open of the data, cannot be switched on later.
    pub fn acts_only_at_start(&self) -> bool {
        matches!(
            self,
            Self::CrashAtStart | Self::HangAtStart | Self::ChangesFormat
        )
    }

    /// The fault of `release` on this node at its `start`-th start (counted from 1).
    pub fn of_release(release: &Release, node_id: &str, start: u64) -> Result<Self, String> {
        let fault = release.fault.parse()?;
        let on_this_node =
            release.only_nodes.is_empty() || release.only_nodes.iter().any(|id| id == node_id);
        Ok(if on_this_node && start >= release.from_start {
            fault
        } else {
            Self::None
        })
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, argument) = match text.split_once('=') {
            Some((kind, argument)) => (kind, Some(argument)),
            None => (text, None),
        };
        let ms = |default: u64| match argument {
            None => Ok(default),
            Some(argument) => argument.parse().map_err(|_| {
                format!("`{argument}` is not a number of milliseconds in the fault `{text}`")
            }),
        };
        let fault = match kind {
            "exit-after" => Self::ExitAfter { ms: ms(30_000)? },
            "unhealthy-after" => Self::UnhealthyAfter { ms: ms(30_000)? },
            "wrong-version" => Self::WrongVersion {
                reported: argument.unwrap_or("0.0.0-wrong").to_owned(),
            },
            "keep-port" => Self::KeepPort { ms: ms(30_000)? },
            "slow-stop" => Self::SlowStop { ms: ms(10_000)? },
            "flapping" => Self::Flapping {
                period_ms: ms(1_000)?.max(1),
            },
            "slow-health" => Self::SlowHealth { ms: ms(10_000)? },
            _ if argument.is_some() => {
                return Err(format!(
                    "the fault `{kind}` takes no argument, or is unknown"
                ));
            }
            "none" => Self::None,
            "crash-at-start" => Self::CrashAtStart,
            "hang-at-start" => Self::HangAtStart,
            "ignore-term" => Self::IgnoreTerm,
            "never-healthy" => Self::NeverHealthy,
            "garbage-health" => Self::GarbageHealth,
            "lying-health" => Self::LyingHealth,
            "changes-format" => Self::ChangesFormat,
            _ => return Err(format!("`{kind}` is not a fault; see --help for the list")),
        };
        Ok(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::CrashAtStart => f.write_str("crash-at-start"),
            Self::HangAtStart => f.write_str("hang-at-start"),
            Self::ExitAfter { ms } => write!(f, "exit-after={ms}"),
            Self::UnhealthyAfter { ms } => write!(f, "unhealthy-after={ms}"),
            Self::WrongVersion { reported } => write!(f, "wrong-version={reported}"),
            Self::IgnoreTerm => f.write_str("ignore-term"),
            Self::KeepPort { ms } => write!(f, "keep-port={ms}"),
            Self::SlowStop { ms } => write!(f, "slow-stop={ms}"),
            Self::NeverHealthy => f.write_str("never-healthy"),
            Self::GarbageHealth => f.write_str("garbage-health"),
            Self::Flapping { period_ms } => write!(f, "flapping={period_ms}"),
            Self::LyingHealth => f.write_str("lying-health"),
            Self::SlowHealth { ms } => write!(f, "slow-health={ms}"),
            Self::ChangesFormat => f.write_str("changes-format"),
        }
    }
}

/// What a running node does wrong at this moment.
pub struct Switch {
    now: Mutex<(Fault, Instant)>,
}

impl Switch {
    pub fn new(fault: Fault) -> Self {
        Self {
            now: Mutex::new((fault, Instant::now())),
        }
    }

    /// The fault, and how long it has been on.
    pub fn read(&self) -> (Fault, Duration) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        (now.0.clone(), now.1.elapsed())
    }

    pub fn set(&self, fault: Fault) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = (fault, Instant::now());
    }
}

//! What the host's machine asks for: single effects, in the order to do them. How they are done is the
//! executor's; when, and what follows, is decided by `advance` alone.

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::fleet::intent::Begin;
use crate::fleet::observation::Observation;
use crate::plans::spec::Binary;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The ledger changed: write and fsync it. Nothing after this in the list may happen before.
    /// At most one in a list, and then the first.
    Persist,
    /// Whether this daemon lets the database take traffic: at once, before the next action, and kept until
    /// told otherwise. What `/ready` answers is this *and* the database's health.
    SetReady(bool),
    /// Look at the database now instead of at the next interval.
    Look,
    /// To the log. Said again until `Applied` shows its sequence, so it may be lost.
    Propose(Observation),
    /// To the leader, who appends it only while its gates hold. May be lost; a newer attempt follows.
    Ask(Begin),
    /// The one effect in flight on this host. Answered by one `Input::Done` with the same id.
    Run { id: u64, act: Act },
    /// End the running act with this id soon; it is still answered by its `Done`. An act that cannot be
    /// ended early simply ends as it would have.
    Cancel { id: u64 },
}

/// A single effect. Every one first looks whether it is done already, and then succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Download, verify and probe; the file then lies under its digest.
    Stage {
        target: Binary,
        url: String,
        timeout: Millis,
    },
    /// The target is among the backups and verifies.
    CheckBackup { digest: Digest },
    /// The adapter's drain.
    Drain { timeout: Millis },
    /// Until no connections are left; `TimedOut` after the timeout.
    WaitDrained { timeout: Millis },
    /// Ends the drain, also when the process that was drained is gone.
    Undrain,
    /// The adapter's flush; nothing where stopping is the flush.
    Flush { timeout: Millis },
    /// This binary is kept and verifies; if it is not kept yet it is copied from `/proc/PID/exe`.
    BackUp { digest: Digest, timeout: Millis },
    /// This binary lies verified beside the install path, with the old file's attributes.
    Prepare {
        digest: Digest,
        from: Source,
        timeout: Millis,
    },
    /// No file lies beside the install path.
    RemovePrepared,
    /// Rename the prepared file over the install path. Refused as `Lapsed`, with nothing done, when the
    /// boot-time clock is past `not_after_ms`.
    Swap {
        digest: Digest,
        not_after_ms: Option<u64>,
    },
    /// The database's process has ended, and its supervisor does not start it again by itself.
    Stop { timeout: Millis },
    /// A new process runs the install path, and its executable has this digest. The time is for the
    /// process to be there, not for its health.
    Start { digest: Digest, timeout: Millis },
    /// `Gave::Peers`.
    AskPeers { timeout: Millis },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// What `Stage` left.
    Staged,
    /// What `BackUp` left.
    Backup,
    /// `/proc/PID/exe`.
    Running,
}

impl Act {
    /// The name for logs, coverage and fail points.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stage { .. } => "stage",
            Self::CheckBackup { .. } => "check_backup",
            Self::Drain { .. } => "drain",
            Self::WaitDrained { .. } => "wait_drained",
            Self::Undrain => "undrain",
            Self::Flush { .. } => "flush",
            Self::BackUp { .. } => "back_up",
            Self::Prepare { .. } => "prepare",
            Self::RemovePrepared => "remove_prepared",
            Self::Swap { .. } => "swap",
            Self::Stop { .. } => "stop",
            Self::Start { .. } => "start",
            Self::AskPeers { .. } => "ask_peers",
        }
    }
}

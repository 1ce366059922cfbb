//! The classes of failure (SPEC §9). Every failed step names one.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    VersionMismatch,
    StagingFailed,
    DrainFailed,
    FlushFailed,
    ApplyFailed,
    LauncherActivationFailed,
    HealthGateFailed,
    RejoinFailed,
    Unreachable,
    ManualRollbackRequested,
    QuorumLost,
    DiskFull,
}

impl Class {
    pub const ALL: [Self; 12] = [
        Self::VersionMismatch,
        Self::StagingFailed,
        Self::DrainFailed,
        Self::FlushFailed,
        Self::ApplyFailed,
        Self::LauncherActivationFailed,
        Self::HealthGateFailed,
        Self::RejoinFailed,
        Self::Unreachable,
        Self::ManualRollbackRequested,
        Self::QuorumLost,
        Self::DiskFull,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::VersionMismatch => "version_mismatch",
            Self::StagingFailed => "staging_failed",
            Self::DrainFailed => "drain_failed",
            Self::FlushFailed => "flush_failed",
            Self::ApplyFailed => "apply_failed",
            Self::LauncherActivationFailed => "launcher_activation_failed",
            Self::HealthGateFailed => "health_gate_failed",
            Self::RejoinFailed => "rejoin_failed",
            Self::Unreachable => "unreachable",
            Self::ManualRollbackRequested => "manual_rollback_requested",
            Self::QuorumLost => "quorum_lost",
            Self::DiskFull => "disk_full",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

//! A rolling updater for quorum databases: a daemon beside every database node, one Raft group of daemons.

// Floors in order, so kept from being sorted.
pub mod base;

pub mod plans;

pub mod fleet;

pub mod access;

pub mod journal;

pub mod machine;

pub mod decision;

pub mod agent;

pub mod control;

pub mod http;

pub mod client;

pub mod cli;

pub mod config;

pub mod daemon;

pub mod demo;

pub mod orchestrator;

pub mod rollback;

pub mod version;

/// Binary management in the first seed's names: the code the agent runs.
pub mod binary {
    pub use crate::agent::binary::{
        apply_binary, backup_current_binary, download_binary, stage_binary, verify_sha256,
    };
}

/// Health verification in the first seed's names: the code the agent runs.
pub mod health {
    pub use crate::agent::health::{HealthCheck, check_node_health, wait_for_healthy};
}

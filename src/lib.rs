//! A rolling updater for quorum databases: a daemon beside every database node, one Raft group of daemons.

pub mod agent;
pub mod base;
pub mod demo;

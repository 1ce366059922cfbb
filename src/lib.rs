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

//! A rolling updater for quorum databases.

pub mod demo;

//! A rolling updater for quorum databases.

//! The database's process: found, stopped and started. One file per process manager, and one for what
//! `/proc` says. What version runs, and when to stop, is decided elsewhere.

pub mod proc;

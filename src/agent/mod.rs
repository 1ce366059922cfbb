//! One host: its files, its database's process, how to talk to the database, the machine that says what
//! to do there, and the loop that does it.
//! What the cluster wants of this host is decided elsewhere; nothing here proposes or commits.

pub mod adapter;
pub mod binary;
pub mod files;
pub mod health;
pub mod lock;
pub mod machine;
pub mod marker;
pub mod outgoing;
pub mod process;
pub mod readiness;
pub mod resident;
pub mod session;

pub mod boot;
pub mod driver;
pub mod executor;
pub mod hands;
pub mod ledger_file;
pub mod link;
pub mod look;

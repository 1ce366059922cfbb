//! One host: its files, its database's process, and how to talk to the database.
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

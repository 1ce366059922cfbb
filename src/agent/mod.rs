//! One host: its files, its database's process, and how to talk to the database.
//! What the cluster wants of this host is decided elsewhere; nothing here proposes or commits.

pub mod binary;
pub mod files;
pub mod lock;
pub mod machine;
pub mod outgoing;
pub mod process;
pub mod session;

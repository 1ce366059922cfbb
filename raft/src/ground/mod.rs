//! What this floor stands on: sockets, threads for work that blocks, the database beneath the store. They are the
//! host's own; with the feature `replay` they are turmoil's sockets, the one thread there is, and memory.

#[cfg(not(feature = "replay"))]
mod host;
#[cfg(feature = "replay")]
pub mod memory;
#[cfg(feature = "replay")]
pub mod replayed;

#[cfg(not(feature = "replay"))]
pub(crate) use self::host::{Runtime, Sender, Worker, apart, off_runtime, rocks, worker};
#[cfg(not(feature = "replay"))]
pub use self::host::{TcpListener, TcpStream};
#[cfg(feature = "replay")]
pub(crate) use self::memory as rocks;
#[cfg(feature = "replay")]
pub(crate) use self::replayed::{Runtime, Sender, Worker, apart, off_runtime, worker};
#[cfg(feature = "replay")]
pub use self::replayed::{TcpListener, TcpStream};

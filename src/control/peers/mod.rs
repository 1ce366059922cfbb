//! What members of a cluster ask each other beside Raft: the messages, the asking side and the answering
//! side. What an answer says is worked out by the rest of the floor.

pub mod client;
pub mod server;
pub mod wire;

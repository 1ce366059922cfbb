//! Nodes: what the log says a node should do, what its host reported, and what consensus sees of it now.
//! Nothing here decides.

pub mod intent;
pub mod node;
pub mod observation;
pub mod view;

//! Plans: what an operator asked for, the plan's status machine, each node's progress, the gates' names.
//! Nothing here knows nodes' intents, the log or time's source.

pub mod gates;
pub mod origins;
pub mod plan;
pub mod progress;
pub mod spec;
pub mod strategy;

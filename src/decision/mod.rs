//! What the leader decides from state and view, and what it waits for. Pure: same input, same answer.

pub mod begin;
pub mod decide;
pub mod gates;
pub mod handoff;
pub mod housekeeping;
pub mod order;
pub mod quorum;
pub mod rollback;
pub mod rollout;
pub mod waiting;

#[cfg(test)]
mod tests;

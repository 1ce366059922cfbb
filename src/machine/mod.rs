//! The replicated machine: the closed list of commands, the state, and `apply`. Total and deterministic:
//! no clock, disk, socket or random source is read, and nothing here panics.

pub mod apply;
pub mod check;
pub mod command;
pub mod handle;
pub mod image;
pub mod refusal;
pub mod settle;
pub mod since;
pub mod state;
pub mod submission;

#[cfg(test)]
mod tests;

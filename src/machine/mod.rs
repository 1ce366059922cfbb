//! The replicated machine: the closed list of commands, the state, and `apply`. Total and deterministic:
//! no clock, disk, socket or random source is read, and nothing here panics.

pub mod command;

pub mod refusal;

pub mod state;
pub mod submission;

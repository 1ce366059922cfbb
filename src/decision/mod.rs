//! What the leader decides from state and view, and what it waits for. Pure: same input, same answer.

pub mod waiting;

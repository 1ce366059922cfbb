//! The consensus floor.

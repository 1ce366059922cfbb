//! The control floor: what stands between the replicated core and whoever asks something of it.

pub mod service;

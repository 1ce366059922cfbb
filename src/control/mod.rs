//! The control floor: what stands between the replicated core and whoever asks something of it.

pub mod service;

pub mod clock;
pub mod evidence;
pub mod machine;
pub mod own_host;
pub mod peers;
pub mod reconciler;
pub mod replica;
pub mod station;
pub mod term;

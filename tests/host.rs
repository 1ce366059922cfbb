//! The host's part with real files, real processes and the reference node as the database.
//! No cluster here: what would be decided by one is an argument.

mod support;

#[path = "host/adapter.rs"]
mod adapter;
#[path = "host/download.rs"]
mod download;
#[path = "host/stage.rs"]
mod stage;
#[path = "host/supervised.rs"]
mod supervised;
#[path = "host/swap.rs"]
mod swap;
#[path = "host/world.rs"]
mod world;

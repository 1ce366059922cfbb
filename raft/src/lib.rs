//! The consensus floor: one deterministic application replicated by openraft on RocksDB over mutual TLS.
//! It knows no room of the product: entries are bytes, rows are bytes, peers are numbers.

pub mod application;
mod encoding;
pub mod fail_point;
pub mod fatal;
pub mod ground;
pub mod member;
pub mod network;
pub mod pki;
mod sabotage;
pub mod store;
mod types;
pub mod view;

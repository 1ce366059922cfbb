//! The crate from outside: real openraft, RocksDB, TLS and processes. One binary, because each costs a
//! link against RocksDB.

mod support;

mod cluster;
mod crash;
mod network;
mod store;

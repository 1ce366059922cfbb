//! Members in one process with the product's own machine: real openraft, RocksDB and mutual TLS on
//! loopback, a network that can be cut. No host and no database takes part.

mod forming;
mod outage;
mod support;

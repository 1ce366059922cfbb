//! Members in one process with the product's own machine: real openraft, RocksDB and mutual TLS on
//! loopback, a network that can be cut. Hosts and databases, as models, take part in `chaos` alone.

mod calls;
mod chaos;
mod clocks;
mod forming;
mod outage;
mod support;

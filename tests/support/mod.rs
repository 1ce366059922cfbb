//! What the integration tests share: waiting, ports, releases, reference nodes, a hostile origin.
//! Nothing here knows the product; a test of a product part brings its own helpers.

// Each test executable compiles its own copy of this module and uses a part of it.
#![allow(dead_code)]

pub mod http;
pub mod node;
pub mod origin;
pub mod ports;
pub mod release;
pub mod strace;
pub mod wait;

//! What the demo needs beside the product: a balancer that obeys readiness, a load on it, an observer
//! that believes only `/proc` and the databases' own answers, and the report that joins them.
//! Nothing here asks a daemon anything; plan facts reach the report as plain data.

pub mod clock;
pub mod wire;

pub mod backend;
pub mod balancer;

pub mod load;
pub mod read_back;

pub mod process;
pub mod record;

pub mod observer;

pub mod passes;

pub mod act;
pub mod verdict;

pub mod report;

#[cfg(test)]
mod verdict_tests;

//! What the demo needs beside the product: a balancer that obeys readiness, a load on it, an observer
//! that believes only `/proc` and the databases' own answers, the report that joins them, and the
//! driver that plays the acts on real daemons. Balancer, observer and report ask no daemon anything but
//! `/ready`; plan facts reach the report as plain data. The driver uses what an operator has: processes,
//! the CLI and the public API.

pub mod clock;
pub mod wire;

pub mod backend;
pub mod balancer;
pub mod front;

pub mod load;
pub mod read_back;

pub mod process;
pub mod record;

pub mod observer;

pub mod passes;

pub mod act;
pub mod verdict;

pub mod report;

pub mod error;
pub mod wait;

pub mod origin;
pub mod ports;
pub mod releases;
pub mod timings;

pub mod api;
pub mod journal;

pub mod tape;

pub mod install;
pub mod rules;
pub mod sampler;
pub mod tape_file;

pub mod check;

pub mod cluster;

pub mod rest;

pub mod haproxy;

pub mod live;

pub mod acts;
pub mod scene;

pub mod driver;

#[cfg(test)]
mod verdict_tests;

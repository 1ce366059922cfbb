//! What the rounds stand on here: the host's own sockets, disk and clocks. Another net brings others.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use aegis_updates::base::ids::MemberId;
use aegis_updates_raft::store::SystemClock;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::support::LATE;

/// Every kind of fault, and how often a long run must have met it, for each hundred rounds.
pub const FAULTS: &[(&str, u64)] = &[
    ("kill", 50),
    ("freeze", 50),
    ("cut_one_way", 20),
    ("cut_two_ways", 20),
    ("cut_partial", 20),
    ("drop", 1_000),
    ("delay", 1_000),
    ("duplicate", 1_000),
    ("reorder", 500),
    ("image", 20),
    ("transfer", 20),
    ("remove", 10),
    ("join", 10),
    ("database_sick", 10),
    ("database_dies", 10),
];

/// What standing still is called.
pub const STILL: &str = "freeze";

const FREE_AGAIN: Duration = Duration::from_millis(20);

pub fn clock(_: MemberId) -> SystemClock {
    SystemClock::new().unwrap()
}

pub fn empty_dir() -> TempDir {
    TempDir::new().unwrap()
}

/// An address of its own: no outgoing connection ever takes its port while it is down.
pub async fn free_address(number: u64) -> SocketAddr {
    let free = TcpListener::bind(format!("127.0.1.{}:0", number % 250 + 1)).await;
    free.unwrap().local_addr().unwrap()
}

pub async fn listen(address: SocketAddr) -> TcpListener {
    let end = Instant::now() + LATE;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < end, "still in use: {error}"),
        }
        sleep(FREE_AGAIN).await;
    }
}

/// Wires cannot be cut here, so that this is false: a cut is a judgement on each message.
pub fn cut(_: &BTreeSet<(u64, u64)>) -> bool {
    false
}

pub fn heal() {}

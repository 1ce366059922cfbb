//! Measurements rather than tests, on demand: `cargo xtask measure failover [--frozen] | handoff | calm`. They
//! run with the product's own election times, under traffic and a disk that is made to sync all the time.

mod failover;
mod leadership;
mod writers;

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use aegis_updates::base::duration::Millis;
use aegis_updates::demo::timings::Timings;

/// The profile `lan` of the product; short waits, so that a plan always has something to say.
const TIMINGS: Timings = Timings {
    heartbeat: Millis(50),
    election_min: Millis(150),
    election_max: Millis(300),
    drain_grace: Millis(300),
    ready_settle: Millis(200),
    soak: Millis(300),
    ..Timings::DEMO
};
const BLOCK: usize = 64 * 1024;
/// The file is written over and over, so that only syncing grows.
const BLOCKS: u64 = 64;

/// Syncs a file of its own as fast as the disk lets it, until it is dropped.
struct Pressure {
    stop: Arc<AtomicBool>,
    syncs: Arc<AtomicU64>,
}

impl Pressure {
    fn start(directory: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let syncs = Arc::new(AtomicU64::new(0));
        let mut file = File::create(directory.join("pressure")).unwrap();
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&syncs));
        thread::spawn(move || {
            let block = vec![7; BLOCK];
            while !stopped.load(Ordering::Relaxed) {
                if counted.fetch_add(1, Ordering::Relaxed) % BLOCKS == 0 {
                    file.rewind().unwrap();
                }
                file.write_all(&block).unwrap();
                file.sync_data().unwrap();
            }
        });
        Self { stop, syncs }
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}

/// The value below which `share` of the sorted values lie.
fn at_share(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[test]
fn shares_are_nearest_ranks() {
    let values: Vec<u64> = (1..=100).collect();
    assert_eq!(at_share(&values, 0.5), 50);
    assert_eq!(at_share(&values, 0.99), 99);
    assert_eq!(at_share(&[7], 0.99), 7);
}

//! Ports for processes that must be told their port before they start.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};

use rustix::fs::{FlockOperation, flock};

/// Below the range that the kernel gives to outgoing connections and to port 0 (32768 on Linux), so
/// that no stranger takes a port between its lease and the start of the process that wants it.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// A port that no other test process on this machine has leased. Given back on drop.
#[derive(Debug)]
pub struct Port {
    pub number: u16,
    _lease: File,
}

impl Port {
    pub fn lease() -> Self {
        let directory = std::env::temp_dir().join("aegis-updates-test-ports");
        fs::create_dir_all(&directory).expect("the directory for port leases can be created");
        // Different processes begin at different places, so that they seldom contend.
        let span = LAST - FIRST + 1;
        let begin = (std::process::id() % u32::from(span)) as u16;
        for offset in 0..span {
            let number = FIRST + (begin + offset) % span;
            let path = directory.join(number.to_string());
            let lease = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .expect("a port lease can be opened");
            let leased = flock(&lease, FlockOperation::NonBlockingLockExclusive).is_ok();
            if leased && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self {
                    number,
                    _lease: lease,
                };
            }
        }
        panic!("no free port between {FIRST} and {LAST}");
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

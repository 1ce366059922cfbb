//! Ports for processes that must be told their port before they start.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rustix::fs::{FlockOperation, flock};

/// Below the range that the kernel gives to outgoing connections and to port 0 (32768 on Linux), so
/// that no stranger takes a port between its lease and the start of the process that wants it.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// A port that no other demo or test on this machine has leased. Given back on drop.
#[derive(Debug)]
pub struct Port {
    /// Loopback, unless the process that wants the port has an address of its own.
    pub ip: Ipv4Addr,
    pub number: u16,
    _lease: File,
}

impl Port {
    pub fn lease() -> io::Result<Self> {
        let directory = std::env::temp_dir().join("aegis-updates-test-ports");
        fs::create_dir_all(&directory)?;
        // Different processes begin at different places, so that they seldom contend.
        let span = LAST - FIRST + 1;
        let begin = (std::process::id() % u32::from(span)) as u16;
        for offset in 0..span {
            let number = FIRST + (begin + offset) % span;
            let lease = OpenOptions::new()
                .create(true)
                .append(true)
                .open(directory.join(number.to_string()))?;
            let leased = flock(&lease, FlockOperation::NonBlockingLockExclusive).is_ok();
            if leased && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self {
                    ip: Ipv4Addr::LOCALHOST,
                    number,
                    _lease: lease,
                });
            }
        }
        let why = format!("every port from {FIRST} to {LAST} is in use");
        Err(io::Error::new(io::ErrorKind::AddrInUse, why))
    }

    pub fn socket(&self) -> SocketAddr {
        SocketAddr::from((self.ip, self.number))
    }

    pub fn address(&self) -> String {
        self.socket().to_string()
    }
}

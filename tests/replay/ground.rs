//! What the rounds stand on here: turmoil's addresses and wires, a directory in memory, clocks that the run moves.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use aegis_updates::base::ids::MemberId;
use aegis_updates_raft::ground::TcpListener;
use aegis_updates_raft::ground::replayed::now_ms;
use aegis_updates_raft::store::{HostClock, Moment};
use tempfile::TempDir;

/// Every kind of fault, and how often a long run must have met it, for each hundred seeds.
pub const FAULTS: &[(&str, u64)] = &[
    ("kill", 30),
    ("power_cut", 2),
    ("hold", 20),
    ("cut_one_way", 10),
    ("cut_two_ways", 5),
    ("cut_partial", 5),
    ("drop", 300),
    ("delay", 300),
    ("duplicate", 300),
    ("reorder", 150),
    ("image", 5),
    ("transfer", 5),
    ("remove", 5),
    ("join", 5),
    ("database_sick", 5),
    ("database_dies", 5),
];

/// What standing still is called: turmoil stops no clock of a host.
pub const STILL: &str = "hold";

const PORT: u16 = 7_000;
/// The wall clock when a run begins.
const BEGAN_MS: i64 = 1_800_000_000_000;
/// By so much each host's clocks are ahead of those of the one before.
const SKEW_MS: u64 = 137;

thread_local! {
    static WIRES: RefCell<Wires> = const { RefCell::new(Wires::new()) };
}

struct Wires {
    ends: BTreeMap<u64, IpAddr>,
    cut: BTreeSet<(u64, u64)>,
}

impl Wires {
    const fn new() -> Self {
        Self {
            ends: BTreeMap::new(),
            cut: BTreeSet::new(),
        }
    }
}

pub fn begin() {
    WIRES.set(Wires::new());
}

/// Where a member is.
pub fn wire(member: MemberId, address: IpAddr) {
    WIRES.with_borrow_mut(|wires| wires.ends.insert(member.0, address));
}

pub fn others(address: IpAddr) -> Vec<IpAddr> {
    WIRES.with_borrow(|wires| {
        let others = wires.ends.values().copied();
        others.filter(|other| *other != address).collect()
    })
}

/// True: what is sent this way is lost, in the middle of connections as well.
pub fn cut(ways: &BTreeSet<(u64, u64)>) -> bool {
    WIRES.with_borrow_mut(|wires| {
        for way in ways {
            if let Some((from, to)) = wires.of(*way) {
                turmoil::partition_oneway(from, to);
                wires.cut.insert(*way);
            }
        }
    });
    true
}

pub fn heal() {
    WIRES.with_borrow_mut(|wires| {
        for way in std::mem::take(&mut wires.cut) {
            if let Some((from, to)) = wires.of(way) {
                turmoil::repair_oneway(from, to);
            }
        }
    });
}

impl Wires {
    fn of(&self, (from, to): (u64, u64)) -> Option<(IpAddr, IpAddr)> {
        Some((*self.ends.get(&from)?, *self.ends.get(&to)?))
    }
}

pub async fn free_address(number: u64) -> SocketAddr {
    let last = u8::try_from(number).expect("few hosts come in a run");
    SocketAddr::new(Ipv4Addr::new(192, 168, 1, last).into(), PORT)
}

pub async fn listen(address: SocketAddr) -> TcpListener {
    let all = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    TcpListener::bind(all).await.expect("the port is free")
}

/// In memory where the host has such a directory: a sync costs nothing there.
pub fn empty_dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => TempDir::new_in(memory),
        false => TempDir::new(),
    };
    made.expect("a directory")
}

pub struct Clock {
    member: u64,
}

pub fn clock(member: MemberId) -> Clock {
    Clock { member: member.0 }
}

impl HostClock for Clock {
    fn now(&self) -> Moment {
        let ahead_ms = self.member * SKEW_MS;
        let boottime_ms = now_ms() + ahead_ms;
        Moment {
            boot_id: format!("boot of {}", self.member),
            boottime_ms,
            wall_ms: BEGAN_MS.saturating_add_unsigned(boottime_ms),
        }
    }
}

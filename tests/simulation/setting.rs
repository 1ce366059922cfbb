//! What a seed decides before anything runs: sizes, budgets, strategy, releases. Short deadlines, so that a
//! plan takes a minute of virtual time.

use std::collections::BTreeMap;

use aegis_updates::base::digest::Digest;
use aegis_updates::base::duration::Millis;
use aegis_updates::plans::spec::{Binary, Release as Asked};
use aegis_updates::plans::strategy::{
    Deadlines, OnHandoffFailure, OnNodeFailure, OnQuorumLoss, OnUnreachable, Order, Strategy,
};

use crate::random::Random;
use crate::world::host::{Behaviour, Release, Shelf};

#[derive(Debug, Clone)]
pub struct Setting {
    pub hosts: usize,
    pub voters: usize,
    pub strategy: Strategy,
    pub grace_ms: u64,
    pub election_ms: u64,
    pub old: Digest,
    /// What the first plan asks for, then the second.
    pub asked: Vec<Asked>,
    pub shelf: Shelf,
    pub zones: bool,
    /// Percent of the usual rate of faults.
    pub fault_rate: u64,
    pub faults_end_ms: u64,
    pub operator_acts: bool,
}

impl Setting {
    pub fn draw(random: &mut Random) -> Self {
        let hosts: usize = *random.pick(&[2, 3, 3, 3, 4, 5, 5]).unwrap_or(&3);
        let voters = if hosts.is_multiple_of(2) {
            hosts - 1
        } else {
            hosts
        };
        let mut shelf = Shelf::new();
        let old = shelve(&mut shelf, "1.0.0", Behaviour::Good, BTreeMap::new());
        let asked = vec![
            release(random, &mut shelf, "1.1.0", hosts),
            release(random, &mut shelf, "1.2.0", hosts),
        ];
        Self {
            hosts,
            voters,
            strategy: strategy(random, hosts),
            grace_ms: random.between(6, 10) * 1000,
            election_ms: random.between(300, 1000),
            old,
            asked,
            shelf,
            zones: random.percent(20),
            fault_rate: *random.pick(&[0, 30, 100, 100, 200]).unwrap_or(&100),
            faults_end_ms: random.between(60, 150) * 1000,
            operator_acts: random.percent(50),
        }
    }
}

/// A world without chance in its releases and budgets: for scenarios.
pub fn plain(hosts: usize) -> Setting {
    let mut shelf = Shelf::new();
    let old = shelve(&mut shelf, "1.0.0", Behaviour::Good, BTreeMap::new());
    let mut asked = Vec::new();
    for version in ["1.1.0", "1.2.0"] {
        let digest = shelve(&mut shelf, version, Behaviour::Good, BTreeMap::new());
        asked.extend(wanted(version, digest));
    }
    Setting {
        hosts,
        voters: if hosts.is_multiple_of(2) {
            hosts - 1
        } else {
            hosts
        },
        strategy: Strategy {
            deadlines: deadlines(),
            unreachable_after: Millis(25_000),
            progress_deadline: Millis(240_000),
            rollback_deadline: Millis(240_000),
            rollback_notice: Millis(2_000),
            ..Strategy::default()
        },
        grace_ms: 6_000,
        election_ms: 500,
        old,
        asked,
        shelf,
        zones: false,
        fault_rate: 0,
        faults_end_ms: 30_000,
        operator_acts: false,
    }
}

pub fn shelve(
    shelf: &mut Shelf,
    version: &str,
    usual: Behaviour,
    on: BTreeMap<usize, Behaviour>,
) -> Digest {
    let digest = Digest::of(version.as_bytes());
    let binary = Binary {
        version: version.to_owned(),
        digest,
    };
    shelf.insert(digest, Release { binary, usual, on });
    digest
}

fn wanted(version: &str, sha256: Digest) -> Option<Asked> {
    Some(Asked {
        version: version.parse().ok()?,
        url: format!("http://origin/{version}"),
        sha256,
    })
}

fn release(random: &mut Random, shelf: &mut Shelf, version: &str, hosts: usize) -> Asked {
    let bad = *random
        .pick(&[
            Behaviour::NeverHealthy,
            Behaviour::CrashesAtStart,
            Behaviour::DiesAfter { ms: 1_500 },
            Behaviour::DiesAfter { ms: 9_000 },
            Behaviour::WrongVersion,
            Behaviour::Flapping { period_ms: 700 },
            Behaviour::Flapping { period_ms: 300 },
            Behaviour::Slow { ms: 2_500 },
            Behaviour::Slow { ms: 30_000 },
        ])
        .unwrap_or(&Behaviour::NeverHealthy);
    let (usual, on) = match random.between(0, 9) {
        0..=6 => (Behaviour::Good, BTreeMap::new()),
        7 => (bad, BTreeMap::new()),
        _ => {
            let host = random.between(0, hosts as u64 - 1) as usize;
            (Behaviour::Good, BTreeMap::from([(host, bad)]))
        }
    };
    let sha256 = shelve(shelf, version, usual, on);
    // The versions above are well-formed.
    wanted(version, sha256).unwrap_or_else(|| unreachable!("{version} is a version"))
}

fn strategy(random: &mut Random, hosts: usize) -> Strategy {
    let wide = hosts >= 5 && random.percent(40);
    Strategy {
        max_unavailable: if wide { 2 } else { 1 },
        order: if random.percent(20) {
            Order::Zone
        } else {
            Order::Name
        },
        on_node_failure: *random
            .pick(&[
                OnNodeFailure::RollbackNode,
                OnNodeFailure::RollbackAll,
                OnNodeFailure::RollbackAll,
                OnNodeFailure::Pause,
            ])
            .unwrap_or(&OnNodeFailure::RollbackAll),
        on_unreachable: if random.percent(50) {
            OnUnreachable::Pause
        } else {
            OnUnreachable::Skip
        },
        on_quorum_loss: if random.percent(75) {
            OnQuorumLoss::RollbackAll
        } else {
            OnQuorumLoss::Pause
        },
        on_handoff_failure: if random.percent(75) {
            OnHandoffFailure::Proceed
        } else {
            OnHandoffFailure::Pause
        },
        deadlines: deadlines(),
        unreachable_after: Millis(25_000),
        progress_deadline: Millis(240_000),
        rollback_deadline: Millis(240_000),
        rollback_notice: Millis(2_000),
        ..Strategy::default()
    }
}

fn deadlines() -> Deadlines {
    Deadlines {
        staging: Millis(20_000),
        drain_grace: Millis(300),
        drain: Millis(1_500),
        flush: Millis(1_000),
        backup: Millis(2_000),
        stop: Millis(4_000),
        start: Millis(2_000),
        verify: Millis(6_000),
        rejoin: Millis(4_000),
        ready_settle: Millis(300),
        soak: Millis(1_500),
        health_grace: Millis(3_000),
        health_interval: Millis(200),
        health_timeout: Millis(500),
        health_successes: 2,
        ..Deadlines::default()
    }
}

//! What a seed decides before its round begins: how many members, which strategy; and the releases, good
//! and bad, that its operators ask for. Deadlines are short, so that a plan takes seconds.

use std::collections::BTreeMap;

use aegis_updates::base::digest::Digest;
use aegis_updates::base::duration::Millis;
use aegis_updates::plans::spec::{Binary, Release};
use aegis_updates::plans::strategy::{
    Deadlines, OnHandoffFailure, OnNodeFailure, OnQuorumLoss, OnUnreachable, Strategy,
};

use super::fleet::Hosts;
use super::host::{self, Behaviour};
use super::random::Random;

#[derive(Debug, Clone)]
pub struct Setting {
    pub members: usize,
    pub strategy: Strategy,
    pub grace_ms: u64,
    /// No troubles: shows that a round without faults is a plain roll.
    pub calm: bool,
    pub troubles_ms: u64,
    pub clients: u64,
    /// Between two requests of a client, in milliseconds, at least and at most.
    pub pause_ms: (u64, u64),
}

impl Setting {
    pub fn draw(random: &mut Random) -> Self {
        let members = if random.percent(60) { 3 } else { 5 };
        Self {
            members,
            strategy: strategy(random, members),
            grace_ms: 5_000,
            calm: false,
            troubles_ms: 12_000,
            clients: 5,
            pause_ms: (10, 80),
        }
    }

    pub fn calm(members: usize) -> Self {
        let mut random = Random::new(1);
        Self {
            members,
            strategy: strategy(&mut random, members),
            grace_ms: 20_000,
            calm: true,
            ..Self::draw(&mut random)
        }
    }
}

fn strategy(random: &mut Random, members: usize) -> Strategy {
    let wide = members >= 5 && random.percent(40);
    let one_of = |random: &mut Random, first: u64| random.percent(first);
    Strategy {
        max_unavailable: if wide { 2 } else { 1 },
        on_node_failure: match random.between(0, 3) {
            0 => OnNodeFailure::RollbackNode,
            1 => OnNodeFailure::Pause,
            _ => OnNodeFailure::RollbackAll,
        },
        on_unreachable: match one_of(random, 50) {
            true => OnUnreachable::Pause,
            false => OnUnreachable::Skip,
        },
        on_quorum_loss: match one_of(random, 75) {
            true => OnQuorumLoss::RollbackAll,
            false => OnQuorumLoss::Pause,
        },
        on_handoff_failure: match one_of(random, 75) {
            true => OnHandoffFailure::Proceed,
            false => OnHandoffFailure::Pause,
        },
        deadlines: Deadlines {
            staging: Millis(8_000),
            drain_grace: Millis(50),
            drain: Millis(500),
            flush: Millis(500),
            backup: Millis(1_000),
            stop: Millis(2_000),
            start: Millis(2_000),
            verify: Millis(3_000),
            rejoin: Millis(3_000),
            ready_settle: Millis(100),
            soak: Millis(200),
            health_grace: Millis(2_000),
            health_interval: Millis(100),
            health_timeout: Millis(500),
            health_successes: 2,
            ..Deadlines::default()
        },
        unreachable_after: Millis(20_000),
        progress_deadline: Millis(60_000),
        rollback_deadline: Millis(60_000),
        rollback_notice: Millis(1_000),
        ..Strategy::default()
    }
}

/// The binary of that version, as its databases will behave: on all hosts, or on one of them.
pub fn shelve(hosts: &mut Hosts, random: &mut Random, number: u64, bad: bool) -> Release {
    let version = format!("1.{number}.0");
    let evil = *random
        .pick(&[
            Behaviour::NeverHealthy,
            Behaviour::CrashesAtStart,
            Behaviour::DiesAfter { ms: 700 },
            Behaviour::WrongVersion,
            Behaviour::Slow { ms: 1_500 },
        ])
        .unwrap();
    let everywhere = random.percent(40);
    let on_one = BTreeMap::from([(random.between(1, 3) as usize, evil)]);
    let (usual, on) = match (bad, everywhere) {
        (false, _) => (Behaviour::Good, BTreeMap::new()),
        (true, true) => (evil, BTreeMap::new()),
        (true, false) => (Behaviour::Good, on_one),
    };
    let sha256 = Digest::of(version.as_bytes());
    let binary = Binary {
        version: version.clone(),
        digest: sha256,
    };
    hosts
        .shelf
        .insert(sha256, host::Release { binary, usual, on });
    Release {
        url: format!("https://origin/{version}"),
        version: version.parse().unwrap(),
        sha256,
    }
}

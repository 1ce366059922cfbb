//! Wall clocks that are wrong: the replicated time is a majority's, whoever leads.

use std::sync::atomic::{AtomicI64, Ordering};

use aegis_updates::base::ids::{Generation, NodeName};
use aegis_updates::base::limits::CLOCK_SKEW_MAX;
use aegis_updates::fleet::view::Sample;
use aegis_updates_raft::store::{HostClock, Moment, SystemClock};

use super::support::{Group, eventually, token};

const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

/// The host's own, with a wall clock that can be set.
pub struct SetClock {
    real: SystemClock,
    pub ahead_ms: AtomicI64,
}

impl SetClock {
    pub fn new() -> Self {
        Self {
            real: SystemClock::new().unwrap(),
            ahead_ms: AtomicI64::new(0),
        }
    }
}

impl HostClock for SetClock {
    fn now(&self) -> Moment {
        let real = self.real.now();
        let wall_ms = real.wall_ms + self.ahead_ms.load(Ordering::Relaxed);
        Moment { wall_ms, ..real }
    }
}

fn sample() -> Sample {
    Sample {
        healthy: true,
        version: None,
        digest: None,
        ready: true,
        drained: false,
        safe_to_stop: Ok(()),
        disk_free_bytes: 1,
        generation: Generation::default(),
        step: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_ten_years_ahead_pushes_nothing_and_one_ten_years_behind_holds_nothing_back() {
    let group = Group::of(3).await;
    group.all_vote(3).await;
    let started_ms = SystemClock::new().unwrap().now().wall_ms;
    for (number, ahead_ms) in [TEN_YEARS_MS, -TEN_YEARS_MS].into_iter().enumerate() {
        let leader = group.leader();
        let clock = &group.members[leader].clock;
        clock.ahead_ms.store(ahead_ms, Ordering::Relaxed);
        let wall_ms = || {
            let state = group.station(leader).replica().state();
            i64::try_from(state.head.clock.wall_ms).unwrap()
        };
        let before_ms = wall_ms();
        let mut written = 0;
        // Nobody was heard at first: then the time stands, and goes on once a majority was.
        eventually("the time goes on", async || {
            written += 1;
            let name = token(&format!("{number}-{written}"));
            let _ = group.write_at(leader, name).await;
            for (at, one) in group.members.iter().enumerate() {
                let node: NodeName = format!("node-{}", at + 1).parse().unwrap();
                one.station.send_sample(node, sample()).await;
            }
            wall_ms() > before_ms.max(started_ms)
        })
        .await;
        let ahead_ms = wall_ms() - SystemClock::new().unwrap().now().wall_ms;
        assert!(
            ahead_ms <= i64::try_from(CLOCK_SKEW_MAX.0).unwrap(),
            "{ahead_ms} ms ahead"
        );
        clock.ahead_ms.store(0, Ordering::Relaxed);
    }
    group.end().await;
}

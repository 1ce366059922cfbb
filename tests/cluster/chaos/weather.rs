//! The network between members: what is cut, and how rough the rest is. Judges each message by itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_updates_raft::network::{Faults, Kind, Verdict};

use super::ground;
use super::met::Met;
use super::random::Random;

/// In percent of all messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rough {
    pub dropped: u64,
    pub delayed: u64,
    pub doubled: u64,
    pub reordered: u64,
}

pub struct Weather {
    sky: Mutex<Sky>,
    met: Arc<Met>,
}

struct Sky {
    random: Random,
    /// From, to: nothing passes this way.
    cuts: BTreeSet<(u64, u64)>,
    /// A cut link refuses at once instead of swallowing.
    refuses: bool,
    rough: Rough,
}

impl Weather {
    pub fn new(random: Random, met: Arc<Met>) -> Self {
        let sky = Sky {
            random,
            cuts: BTreeSet::new(),
            refuses: false,
            rough: Rough::default(),
        };
        Self {
            sky: Mutex::new(sky),
            met,
        }
    }

    pub fn cut(&self, ways: BTreeSet<(u64, u64)>, refuses: bool) {
        if !refuses && ground::cut(&ways) {
            return;
        }
        let mut sky = self.sky.lock().unwrap();
        sky.cuts.extend(ways);
        sky.refuses = refuses;
    }

    pub fn heal(&self) {
        ground::heal();
        self.sky.lock().unwrap().cuts.clear();
    }

    pub fn blow(&self, rough: Rough) {
        self.sky.lock().unwrap().rough = rough;
    }
}

impl Faults for Weather {
    fn before(&self, from: u64, to: u64, kind: Kind) -> Verdict {
        let mut sky = self.sky.lock().unwrap();
        if sky.cuts.contains(&(from, to)) {
            return match sky.refuses {
                true => Verdict::Refuse,
                false => Verdict::Drop,
            };
        }
        let Rough {
            dropped,
            delayed,
            doubled,
            reordered,
        } = sky.rough;
        let drawn = sky.random.between(0, 99);
        let by = Duration::from_millis(sky.random.between(5, 400));
        let (what, verdict) = match drawn {
            _ if drawn < dropped => ("drop", Verdict::Drop),
            _ if drawn < dropped + delayed => ("delay", Verdict::Delay(by)),
            // TCP repeats nothing by itself, and only Raft's own messages may be repeated at will.
            _ if drawn < dropped + delayed + doubled && is_rafts(kind) => {
                ("duplicate", Verdict::Twice(by))
            }
            _ if drawn < dropped + delayed + doubled + reordered && kind != Kind::Answer => {
                ("reorder", Verdict::Late(by))
            }
            _ => return Verdict::Pass,
        };
        drop(sky);
        self.met.count(what);
        verdict
    }
}

const fn is_rafts(kind: Kind) -> bool {
    match kind {
        Kind::Vote
        | Kind::PreVote
        | Kind::Append
        | Kind::Heartbeat
        | Kind::Image
        | Kind::TransferLeader
        | Kind::ReadIndex => true,
        Kind::Product | Kind::Answer => false,
    }
}

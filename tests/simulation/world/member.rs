//! One member: its daemon, its clocks, its own copy of the state, and what it knows while it believes it
//! leads. Its machine is in `host`, its agent in `agent`.

use std::collections::BTreeMap;

use aegis_updates::base::duration::Millis;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::base::limits::HEALTH_AGE_MAX;
use aegis_updates::fleet::view::{Heard, Host as HostView, Sample};
use aegis_updates::machine::state::State;

use super::agent::Agent;
use super::host::Host;
use super::log::Ticket;
use crate::invariants::losses::Word;

/// Where virtual wall time begins: some day in 2026, so that a jump of ten years back is possible.
pub const WALL_START_MS: u64 = 1_780_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    Up,
    Down { until_ms: u64 },
    Frozen { until_ms: u64 },
}

/// A host's clocks when something was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub boot: u64,
    pub boot_ms: u64,
}

pub struct Member {
    pub id: MemberId,
    pub name: NodeName,
    pub daemon: Daemon,
    /// Power: `Some(when it comes back)`, at `u64::MAX` never.
    pub off_until_ms: Option<u64>,
    pub boot: u64,
    pub booted_ms: u64,
    pub wall_offset_ms: i64,
    /// What it was before, and until when.
    pub wall_jumps: Vec<(u64, i64)>,
    pub state: State,
    /// How many entries of the log `state` includes.
    pub applied: usize,
    /// When it applied its newest entry.
    pub applied_ms: u64,
    /// When it applied or stamped its newest entry, whichever was later.
    pub stamped_ms: u64,
    /// When it appended its newest entry that does not open a term.
    pub appended: Option<Moment>,
    /// Applies late until then.
    pub lags_until_ms: u64,
    pub lead: Option<Lead>,
    pub removed: bool,
    pub host: Host,
    pub agent: Agent,
    pub tickets: u64,
    /// Crashes of the database in a row, for the parent's backoff.
    pub crash_restarts: u32,
}

/// What a member holds while it believes it leads a term.
pub struct Lead {
    pub term: u64,
    pub since_ms: u64,
    /// When a majority of the voters last answered it.
    pub acknowledged_ms: u64,
    pub known: BTreeMap<NodeName, Known>,
    /// Its own decisions that have not come back.
    pub in_flight: BTreeMap<Ticket, u64>,
    pub tick: Option<Ticking>,
    /// `None` until the term is open: what was before is not this leader's to tell.
    pub tick_due_ms: Option<u64>,
    /// What the next tick has to tell of the last one.
    pub untold_ms: u64,
    pub handing_to: Option<(MemberId, u64)>,
    /// When each member last answered.
    pub answered: BTreeMap<MemberId, u64>,
    /// What each member's wall clock showed as it sent its newest sample, and when that arrived.
    pub clocks: BTreeMap<MemberId, (u64, u64)>,
}

/// The one tick in flight: when it was due, and how late it said it was.
pub struct Ticking {
    pub ticket: Ticket,
    pub due_ms: u64,
    pub told_ms: u64,
}

#[derive(Default)]
pub struct Known {
    pub newest: Option<(u64, Sample)>,
    pub unhealthy_since_ms: Option<u64>,
    /// When it was last called healthy, by its host or by a probe.
    pub healthy_ms: Option<u64>,
    pub probed: Option<(u64, bool)>,
    pub served_ms: Option<u64>,
}

impl Member {
    /// Runs code now: its daemon is up and its machine has power.
    pub fn is_awake(&self) -> bool {
        self.daemon == Daemon::Up && self.off_until_ms.is_none() && !self.removed
    }

    pub fn has_power(&self) -> bool {
        self.off_until_ms.is_none()
    }

    pub fn boot_ms(&self, now_ms: u64) -> u64 {
        now_ms - self.booted_ms + 1_000
    }

    /// What a right clock shows.
    pub const fn true_wall_ms(now_ms: u64) -> u64 {
        WALL_START_MS + now_ms
    }

    pub fn wall_ms(&self, now_ms: u64) -> u64 {
        Self::true_wall_ms(now_ms).saturating_add_signed(self.wall_offset_ms)
    }

    pub fn moment(&self, now_ms: u64) -> Moment {
        Moment {
            boot: self.boot,
            boot_ms: self.boot_ms(now_ms),
        }
    }
}

impl Lead {
    pub fn new(term: u64, now_ms: u64) -> Self {
        Self {
            term,
            since_ms: now_ms,
            acknowledged_ms: now_ms,
            known: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            tick: None,
            tick_due_ms: None,
            untold_ms: 0,
            handing_to: None,
            answered: BTreeMap::new(),
            clocks: BTreeMap::new(),
        }
    }

    pub fn hear(&mut self, node: NodeName, sample: Sample, now_ms: u64) {
        let known = self.known.entry(node).or_default();
        known.unhealthy_since_ms = if sample.healthy {
            None
        } else {
            known.unhealthy_since_ms.or(Some(now_ms))
        };
        if sample.healthy {
            known.healthy_ms = Some(now_ms);
        }
        (known.probed, known.served_ms) = (None, None);
        known.newest = Some((now_ms, sample));
    }

    /// What was truly heard of one host's database.
    pub fn word(&self, name: &NodeName, now_ms: u64) -> Word {
        let nothing = Known::default();
        let known = self.known.get(name).unwrap_or(&nothing);
        let young = |at_ms: u64| now_ms - at_ms <= HEALTH_AGE_MAX.0;
        let last_ms = known.newest.as_ref().map_or(self.since_ms, |(at, _)| *at);
        let lost_since_ms = match &known.newest {
            Some((at, sample)) if young(*at) => {
                known.unhealthy_since_ms.filter(|_| !sample.healthy)
            }
            _ => {
                let probed = known.probed.filter(|(at, _)| young(*at));
                let since_ms = last_ms.max(known.healthy_ms.unwrap_or(0));
                probed.and_then(|(_, serves)| (!serves).then_some(since_ms))
            }
        };
        Word {
            healthy_ago_ms: now_ms - known.healthy_ms.unwrap_or(self.since_ms),
            lost_for_ms: lost_since_ms.map(|since_ms| now_ms - since_ms),
        }
    }

    /// What decisions see of one host.
    pub fn host(&self, name: &NodeName, now_ms: u64) -> HostView {
        let nothing = Known::default();
        let known = self.known.get(name).unwrap_or(&nothing);
        let since = |at: u64| Millis(now_ms.saturating_sub(at));
        let heard = match &known.newest {
            None => Heard::Unknown,
            Some((at, _)) if since(*at) > HEALTH_AGE_MAX => Heard::Silent { age: since(*at) },
            Some((at, sample)) => Heard::Heard {
                age: since(*at),
                sample: sample.clone(),
            },
        };
        let last = known.newest.as_ref().map_or(self.since_ms, |(at, _)| *at);
        HostView {
            heard,
            silent_for: since(last),
            unhealthy_for: known.unhealthy_since_ms.map(since),
            probed: known
                .probed
                .filter(|(at, _)| since(*at) <= HEALTH_AGE_MAX)
                .map(|(_, serves)| serves),
            served_ago: known.served_ms.map(since),
        }
    }
}

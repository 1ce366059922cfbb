//! What really happened, in virtual real time, seen by nobody in the world: which database served when, who
//! stopped it, which act ran. The invariants that the log cannot judge rest on it.

use std::collections::BTreeMap;

use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{Generation, MemberId};

use crate::invariants::{i07, i08};

use super::member::Member;

#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// At the host's last look its database was healthy.
    pub healthy_at_last_look: bool,
    /// And it was at the last look before the act that now runs was begun: that one the act rests on.
    healthy_when_told: bool,
    /// Its daemon took it from traffic, and it has not served since.
    pub down_by_plan: bool,
    down_since_ms: u64,
    /// When its database was last stopped by us, and when its peers last heard it.
    pub stopped_ms: u64,
    pub heard_ms: u64,
    /// Every start by us: when, and of what.
    pub starts: Vec<(u64, Digest)>,
    pub newest_acting: Generation,
    pub swaps: BTreeMap<(Generation, Digest), u32>,
    pub stops: BTreeMap<Generation, u32>,
}

#[derive(Debug, Default)]
pub struct Truth {
    pub hosts: BTreeMap<MemberId, Seen>,
    /// The most nodes ever down by plan at once.
    pub down_max: usize,
    pub wrong: Vec<(&'static str, String)>,
    /// When the voters last had a quorum, and for how long they had none, and until when.
    quorum_ms: u64,
    gaps: Vec<(u64, u64)>,
}

/// Two beats further apart than this had no quorum between them.
const BEAT_MAX_MS: u64 = 150;
/// A loss is judged by the next entries, a few ticks later at most.
const LATELY_MS: u64 = 10_000;

impl Truth {
    fn host(&mut self, id: MemberId) -> &mut Seen {
        self.hosts.entry(id).or_default()
    }

    /// The voters have a quorum now. Gives the longest time without one that ended lately.
    pub fn quorum(&mut self, now_ms: u64) -> u64 {
        if now_ms - self.quorum_ms > BEAT_MAX_MS {
            self.gaps.push((now_ms - self.quorum_ms, now_ms));
        }
        self.quorum_ms = now_ms;
        let lately = self
            .gaps
            .iter()
            .filter(|(_, end_ms)| now_ms - end_ms <= LATELY_MS);
        lately.map(|(gap_ms, _)| *gap_ms).max().unwrap_or(0)
    }

    pub fn looked(&mut self, id: MemberId, healthy: bool) {
        self.host(id).healthy_at_last_look = healthy;
    }

    /// When this host's database was last stopped by us, and when its peers last heard it.
    pub fn stopped_and_heard_ms(&self, id: MemberId) -> (u64, u64) {
        let seen = self.hosts.get(&id);
        seen.map_or((0, 0), |seen| (seen.stopped_ms, seen.heard_ms))
    }

    /// A daemon changed whether its database takes traffic.
    pub fn traffic(&mut self, id: MemberId, members: &[Member], now_ms: u64, away: bool) {
        let served = self.host(id).healthy_at_last_look;
        self.turned(id, members, now_ms, (away, served));
    }

    /// The act that its daemon runs did.
    pub fn traffic_by_act(&mut self, id: MemberId, members: &[Member], now_ms: u64, away: bool) {
        let served = self.host(id).healthy_when_told;
        self.turned(id, members, now_ms, (away, served));
    }

    fn turned(
        &mut self,
        id: MemberId,
        members: &[Member],
        now_ms: u64,
        (away, served): (bool, bool),
    ) {
        let seen = self.host(id);
        if away && served && !seen.down_by_plan {
            (seen.down_by_plan, seen.down_since_ms) = (true, now_ms);
        }
        let given_back =
            |member: &Member| member.id == id && member.host.ready && !member.host.drained;
        let untouched = seen.stopped_ms < seen.down_since_ms;
        if !away && untouched && members.iter().any(given_back) {
            // Whatever ails it now, the plan has let go of it and never stopped it.
            seen.down_by_plan = false;
        }
        self.beat(members, now_ms);
    }

    /// Looks at every database: one that serves is no longer down by anybody's plan.
    pub fn beat(&mut self, members: &[Member], now_ms: u64) {
        for member in members {
            let seen = self.hosts.entry(member.id).or_default();
            if member.host.is_heard(now_ms) {
                seen.heard_ms = now_ms;
            }
            if member.host.serves(now_ms) {
                seen.down_by_plan = false;
            }
        }
        self.down_max = self.down_max.max(self.down_by_plan().count());
    }

    pub fn down_by_plan(&self) -> impl Iterator<Item = MemberId> {
        self.hosts
            .iter()
            .filter(|(_, seen)| seen.down_by_plan)
            .map(|(id, _)| *id)
    }

    /// An operator took a host's place in the budget away on their own word.
    pub fn written_off(&mut self, id: MemberId) {
        self.host(id).down_by_plan = false;
    }

    pub fn act_starts(&mut self, id: MemberId, generation: Generation, running: Option<u64>) {
        let seen = self.host(id);
        seen.healthy_when_told = seen.healthy_at_last_look;
        let judged = i07::judge(generation, seen.newest_acting, running);
        seen.newest_acting = seen.newest_acting.max(generation);
        if let Err(detail) = judged {
            self.wrong.push(("I7", format!("member {id}: {detail}")));
        }
    }

    /// A rename with effect.
    pub fn swapped(&mut self, id: MemberId, generation: Generation, to: Digest, alone: bool) {
        let times = self.host(id).swaps.entry((generation, to)).or_default();
        *times += 1;
        let judged = i08::judge("swap", *times, 1, alone);
        self.judged("I8", id, judged);
    }

    /// A stop of a living process, with effect.
    pub fn stopped(
        &mut self,
        id: MemberId,
        now_ms: u64,
        generation: Generation,
        allowed: u32,
        alone: bool,
    ) {
        self.host(id).stopped_ms = now_ms;
        let times = self.host(id).stops.entry(generation).or_default();
        *times += 1;
        let judged = i08::judge("stop", *times, allowed, alone);
        self.judged("I8", id, judged);
    }

    pub fn judged(&mut self, invariant: &'static str, id: MemberId, judged: Result<(), String>) {
        if let Err(detail) = judged {
            self.wrong
                .push((invariant, format!("member {id}: {detail}")));
        }
    }

    pub fn started(&mut self, id: MemberId, now_ms: u64, what: Digest) {
        self.host(id).starts.push((now_ms, what));
    }
}

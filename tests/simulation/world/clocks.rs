//! The members' wall clocks: what they show, what leaders make of what they hear of them, and what is true of them.

use std::cmp::Reverse;

use aegis_updates::base::ids::MemberId;
use aegis_updates::base::limits::HEALTH_AGE_MAX;
use aegis_updates::base::numbers::reached_by_majority;

use super::World;
use super::member::Member;

/// As long as a leader may be frozen over a sample that has come, a sample's time on its way, and as long as its leader
/// goes by it.
const LATELY_MS: u64 = 24_000 + 6_100 + HEALTH_AGE_MAX.0;

impl Member {
    pub fn set_clock(&mut self, now_ms: u64, offset_ms: i64) {
        self.wall_jumps.push((now_ms, self.wall_offset_ms));
        self.wall_offset_ms = offset_ms;
    }

    /// The most that its clock was ahead by lately.
    fn was_ahead_by_ms(&self, now_ms: u64) -> i64 {
        let lately = |(until_ms, _): &&(u64, i64)| now_ms - until_ms <= LATELY_MS;
        let before = self.wall_jumps.iter().rev().take_while(lately);
        let before = before.map(|(_, offset_ms)| *offset_ms).max();
        before.map_or(self.wall_offset_ms, |before| {
            before.max(self.wall_offset_ms)
        })
    }
}

impl World {
    /// What a leader stamps, as the control floor does.
    pub fn cluster_wall_ms(&self, id: MemberId) -> u64 {
        let member = self.member(id);
        let reads = |voter: &MemberId| {
            if *voter == id {
                return Some(member.wall_ms(self.now));
            }
            let (at_ms, wall_ms) = member.lead.as_ref()?.clocks.get(voter)?;
            let age_ms = self.now - at_ms;
            (age_ms <= HEALTH_AGE_MAX.0).then_some(wall_ms + age_ms)
        };
        let head = &member.state.head;
        let voters = &head.membership.voters;
        reached_by_majority(voters.iter().filter_map(reads), voters.len())
            .unwrap_or(head.clock.wall_ms)
    }

    /// A leader appends: no further than more than half of the voters' clocks truly were may its stamp go.
    pub fn note_clocks(&mut self, leader: MemberId) {
        let voters = &self.member(leader).state.head.membership.voters;
        let shows = |voter: &MemberId| {
            let ahead_ms = self.member(*voter).was_ahead_by_ms(self.now);
            Member::true_wall_ms(self.now).saturating_add_signed(ahead_ms)
        };
        let mut shown: Vec<u64> = voters.iter().map(shows).collect();
        shown.sort_unstable_by_key(|wall_ms| Reverse(*wall_ms));
        let reached = (1..).zip(shown).find(|(count, _)| 2 * count > voters.len());
        let reached_ms = reached.map_or(0, |(_, wall_ms)| wall_ms);
        let bound_ms = &mut self.oracle.times.wall_bound_ms;
        *bound_ms = reached_ms.max(*bound_ms);
    }
}

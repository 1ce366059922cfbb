//! What the members' wall clocks show, as far as the leader heard it lately. What passes for the cluster's time is
//! what a majority of them has reached, so that no minority with a wrong clock moves it.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{Evidence, listening_to};
use crate::base::ids::MemberId;
use crate::base::limits::HEALTH_AGE_MAX;
use crate::base::numbers::reached_by_majority;
use crate::control::replica::millis;

impl Evidence {
    /// Takes what a member's wall clock showed when it sent what has just arrived here.
    pub fn clock(&self, term: u64, member: MemberId, wall_ms: Option<u64>) {
        self.clock_at(term, member, wall_ms, Instant::now());
    }

    fn clock_at(&self, term: u64, member: MemberId, wall_ms: Option<u64>, now: Instant) {
        let mut listening = self.lock();
        let clocks = &mut listening_to(&mut listening, term, now).clocks;
        match wall_ms {
            Some(wall_ms) => clocks.insert(member, (now, wall_ms)),
            None => clocks.remove(&member),
        };
    }

    /// The time that a majority of `voters` says has come, of whom `me` reads `own_ms`; nothing while too few were
    /// heard lately. A clock is taken to be behind by as long as its word was on the way, never ahead.
    pub fn majority_wall_ms(
        &self,
        term: u64,
        voters: &BTreeSet<MemberId>,
        me: MemberId,
        own_ms: u64,
    ) -> Option<u64> {
        self.majority_wall_ms_at(term, voters, (me, own_ms), Instant::now())
    }

    fn majority_wall_ms_at(
        &self,
        term: u64,
        voters: &BTreeSet<MemberId>,
        (me, own_ms): (MemberId, u64),
        now: Instant,
    ) -> Option<u64> {
        let listening = self.lock();
        let known = listening.as_ref().filter(|known| known.term == term);
        let reads = |voter: &MemberId| {
            if *voter == me {
                return Some(own_ms);
            }
            let (at, wall_ms) = known?.clocks.get(voter)?;
            let age = now.saturating_duration_since(*at);
            (age <= HEALTH_AGE_MAX.as_duration()).then(|| wall_ms.saturating_add(millis(age)))
        };
        reached_by_majority(voters.iter().filter_map(reads), voters.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ME: MemberId = MemberId(1);
    const NOW_MS: u64 = 1_795_000_000_000;
    const TEN_YEARS_MS: u64 = 10 * 365 * 86_400_000;

    #[test]
    fn the_clock_of_one_moves_nothing_and_a_majority_must_be_heard_lately() {
        let evidence = Evidence::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let three = BTreeSet::from([ME, MemberId(2), MemberId(3)]);
        let reads =
            |term, own_ms, now| evidence.majority_wall_ms_at(term, &three, (ME, own_ms), now);
        let (ahead_ms, behind_ms) = (NOW_MS + TEN_YEARS_MS, NOW_MS - TEN_YEARS_MS);
        assert_eq!(reads(3, ahead_ms, start), None);
        evidence.clock_at(3, MemberId(2), Some(NOW_MS), start);
        // Of two, only what both have reached.
        assert_eq!(reads(3, ahead_ms, after(1_000)), Some(NOW_MS + 1_000));
        assert_eq!(reads(3, behind_ms, after(1_000)), Some(behind_ms));
        evidence.clock_at(3, MemberId(3), Some(NOW_MS + 7), start);
        assert_eq!(reads(3, ahead_ms, start), Some(NOW_MS + 7));
        assert_eq!(reads(3, behind_ms, start), Some(NOW_MS));
        assert_eq!(reads(3, ahead_ms, after(3_100)), None);
        assert_eq!(reads(4, ahead_ms, start), None);
        // Learners are not asked, and neither is a daemon that does not say.
        evidence.clock_at(3, MemberId(4), Some(ahead_ms), start);
        evidence.clock_at(3, MemberId(3), None, start);
        assert_eq!(reads(3, ahead_ms, start), Some(NOW_MS));
        let alone = BTreeSet::from([ME]);
        let own = evidence.majority_wall_ms_at(9, &alone, (ME, ahead_ms), start);
        assert_eq!(own, Some(ahead_ms));
    }
}

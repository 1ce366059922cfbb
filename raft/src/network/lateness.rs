//! How late a leader's entries arrive, by two boot clocks that nobody ever set to each other: a member that froze finds,
//! when it wakes, what lay in its connections, and would take an outage's old entries for new ones. It only reckons;
//! what follows from lateness is decided elsewhere.

use crate::store::Moment;

/// What arrived within the last one or two of these says how long the way usually takes. Short, since two clocks drift
/// apart; a gap is judged by what came before it.
const WINDOW_MS: u64 = 30_000;

/// Of one sender at a time: entries come from one leader.
#[derive(Debug, Default)]
pub(super) struct Lateness(Option<Sender>);

#[derive(Debug)]
struct Sender {
    member: u64,
    boots: [String; 2],
    /// Arrival less sending, at its quickest, in the window before and in this one: the clocks' difference and the
    /// shortest way.
    quickest_before_ms: i128,
    quickest_ms: i128,
    since_ms: u64,
}

impl Lateness {
    /// How much later than the quickest this arrives; 0 for the first from a sender, or from its new boot.
    pub(super) fn of(&mut self, member: u64, sent: &Stamp, arrived: &Moment) -> u64 {
        let took_ms = i128::from(arrived.boottime_ms) - i128::from(sent.boottime_ms);
        let boots = [sent.boot_id.clone(), arrived.boot_id.clone()];
        let known = self.0.take();
        let known = known.filter(|known| known.member == member && known.boots == boots);
        let mut sender = known.unwrap_or(Sender {
            member,
            boots,
            quickest_before_ms: took_ms,
            quickest_ms: took_ms,
            since_ms: arrived.boottime_ms,
        });
        let quickest = sender.quickest_before_ms.min(sender.quickest_ms);
        let late = u64::try_from(took_ms - quickest).unwrap_or(0);
        sender.count(took_ms, arrived.boottime_ms);
        self.0 = Some(sender);
        late
    }
}

impl Sender {
    fn count(&mut self, took_ms: i128, now_ms: u64) {
        if now_ms.saturating_sub(self.since_ms) > WINDOW_MS {
            self.quickest_before_ms = self.quickest_ms;
            self.quickest_ms = took_ms;
            self.since_ms = now_ms;
        } else {
            self.quickest_ms = self.quickest_ms.min(took_ms);
        }
    }
}

/// When a request was sent, by its sender's boot clock.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stamp {
    boot_id: String,
    boottime_ms: u64,
}

impl From<Moment> for Stamp {
    fn from(now: Moment) -> Self {
        Self {
            boot_id: now.boot_id,
            boottime_ms: now.boottime_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot_id: &str, boottime_ms: u64) -> Moment {
        Moment {
            boot_id: boot_id.to_owned(),
            boottime_ms,
            wall_ms: 0,
        }
    }

    /// The sender's clock is 5 s ahead of this host's.
    fn arrives(lateness: &mut Lateness, sent_ms: u64, way_ms: u64) -> u64 {
        let sent = Stamp::from(at("theirs", sent_ms + 5_000));
        lateness.of(1, &sent, &at("ours", sent_ms + way_ms))
    }

    #[test]
    fn what_lay_in_a_connection_while_its_reader_was_frozen_is_late_by_that_long() {
        let mut lateness = Lateness::default();
        assert_eq!(arrives(&mut lateness, 10_000, 2), 0);
        assert_eq!(arrives(&mut lateness, 10_100, 1), 0);
        assert_eq!(arrives(&mut lateness, 10_200, 9), 8);
        assert_eq!(arrives(&mut lateness, 10_300, 8_001), 8_000);
        assert_eq!(arrives(&mut lateness, 10_400, 7_901), 7_900);
        assert_eq!(arrives(&mut lateness, 18_400, 1), 0);
    }

    #[test]
    fn a_gap_longer_than_the_windows_is_judged_by_what_came_before_it() {
        let mut lateness = Lateness::default();
        assert_eq!(arrives(&mut lateness, 0, 1), 0);
        assert_eq!(arrives(&mut lateness, 100, 3_600_001), 3_600_000);
        assert_eq!(arrives(&mut lateness, 200, 3_600_001), 3_600_000);
    }

    #[test]
    fn clocks_that_drift_apart_are_not_lateness_for_long() {
        let mut lateness = Lateness::default();
        let drifting = (0..10).map(|window| {
            let sent_ms = window * (WINDOW_MS + 1);
            arrives(&mut lateness, sent_ms, 1 + window * 3)
        });
        let latest = drifting.collect::<Vec<_>>();
        assert!(latest.iter().all(|late| *late <= 6), "{latest:?}");
    }

    #[test]
    fn another_leader_and_another_boot_begin_anew() {
        let mut lateness = Lateness::default();
        assert_eq!(arrives(&mut lateness, 1_000, 1), 0);
        let sent = Stamp::from(at("theirs", 1_000));
        assert_eq!(lateness.of(2, &sent, &at("ours", 9_000)), 0);
        let rebooted = Stamp::from(at("theirs again", 10));
        assert_eq!(lateness.of(2, &rebooted, &at("ours", 9_100)), 0);
    }
}

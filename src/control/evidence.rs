//! What this leader heard of every host since its term began, with its own monotonic time of receipt.
//! Kept nowhere else: a new leader begins with knowing nothing, which is unsafe but no failure.

mod clocks;
mod supported;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aegis_updates_raft::view::{ConsensusView, Replication, Role};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::replica::millis;
use super::service::HostView;
use crate::base::duration::Millis;
use crate::base::ids::{MemberId, NodeName};
use crate::base::limits::{HEALTH_AGE_MAX, QUORUM_ACK_AGE_MAX};
use crate::base::version;
use crate::fleet::view::{ClusterView, Heard, Host, Sample, Voter};
use crate::machine::state::State;

/// A voter that lacks no more than this would take over within one replication request.
const LAG_MAX: u64 = 128;

/// One for each member; used while it leads.
#[derive(Default)]
pub struct Evidence {
    listening: Mutex<Option<Listening>>,
    arrived: Notify,
}

/// What was heard since `since`, when this member began to lead `term`.
struct Listening {
    term: u64,
    since: Instant,
    hosts: BTreeMap<NodeName, Known>,
    /// What each other member's wall clock showed, as far as it said so.
    clocks: BTreeMap<MemberId, (Instant, u64)>,
}

#[derive(Default)]
struct Known {
    newest: Option<(Instant, Sample)>,
    /// Came with the newest sample.
    supports: Option<version::Supported>,
    unhealthy_since: Option<Instant>,
    probed: Option<(Instant, bool)>,
    served: Option<Instant>,
}

impl Evidence {
    /// Takes a host's sample while this member leads `term`.
    pub fn take(
        &self,
        term: u64,
        node: NodeName,
        sample: Sample,
        supports: Option<version::Supported>,
    ) {
        self.take_at(term, node, sample, supports, Instant::now());
    }

    fn take_at(
        &self,
        term: u64,
        node: NodeName,
        sample: Sample,
        supports: Option<version::Supported>,
        now: Instant,
    ) {
        let mut listening = self.lock();
        let known = listening_to(&mut listening, term, now)
            .hosts
            .entry(node)
            .or_default();
        known.unhealthy_since = match sample.healthy {
            true => None,
            false => known.unhealthy_since.or(Some(now)),
        };
        (known.probed, known.served) = (None, None);
        known.newest = Some((now, sample));
        known.supports = supports;
        drop(listening);
        self.arrived.notify_one();
    }

    /// The outcome of this leader's own look at the database of a silent host.
    pub fn probed(&self, term: u64, node: NodeName, serves: bool) {
        self.probed_at(term, node, serves, Instant::now());
    }

    fn probed_at(&self, term: u64, node: NodeName, serves: bool, now: Instant) {
        let mut listening = self.lock();
        let known = listening_to(&mut listening, term, now)
            .hosts
            .entry(node)
            .or_default();
        known.probed = Some((now, serves));
        if serves {
            (known.served, known.unhealthy_since) = (Some(now), None);
        }
    }

    /// Wakes one waiter for each sample that arrives.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// True when this leader heard the host within `within`.
    pub fn heard_within(&self, term: u64, node: &NodeName, within: Duration) -> bool {
        let listening = self.lock();
        let known = listening.as_ref().filter(|known| known.term == term);
        known
            .and_then(|listening| listening.hosts.get(node))
            .and_then(|known| known.newest.as_ref())
            .is_some_and(|(at, _)| at.elapsed() <= within)
    }

    /// Everything that decisions rest on beside the state.
    pub fn view(&self, state: &State, consensus: &ConsensusView) -> ClusterView {
        self.view_at(state, consensus, Instant::now())
    }

    fn view_at(&self, state: &State, consensus: &ConsensusView, now: Instant) -> ClusterView {
        let leading = consensus.role == Role::Leader;
        let term = &state.head.term;
        let leads = leading && term.number == consensus.term && term.opened;
        let mut listening = self.lock();
        let hosts = match leading {
            false => BTreeMap::new(),
            true => {
                let listening = listening_to(&mut listening, consensus.term, now);
                let view = |name: &NodeName| (name.clone(), listening.host(name, now));
                state.nodes.keys().map(view).collect()
            }
        };
        drop(listening);
        ClusterView {
            me: Some(MemberId(consensus.id)),
            leads,
            term: consensus.term,
            quorum_ack_age: consensus.quorum_ack_age.map(|age| Millis(millis(age))),
            membership_changing: consensus.membership_changing,
            voters: voters(consensus),
            hosts,
        }
    }

    /// What faces show of it.
    pub fn hosts(&self, state: &State, consensus: &ConsensusView) -> BTreeMap<NodeName, HostView> {
        let view = self.view(state, consensus);
        let supported = self.supported(consensus.term);
        let shown = |(name, host): (NodeName, Host)| {
            let reachable = matches!(host.heard, Heard::Heard { .. });
            let age_ms = host.age().map(|age| age.0);
            let sample = match host.heard {
                Heard::Heard { sample, .. } => Some(sample),
                Heard::Silent { .. } | Heard::Unknown => None,
            };
            let shown = HostView {
                supports: supported.get(&name).copied(),
                reachable,
                age_ms,
                sample,
                probed: host.probed,
            };
            (name, shown)
        };
        view.hosts.into_iter().map(shown).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Listening>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new term forgets what an older one heard.
fn listening_to(listening: &mut Option<Listening>, term: u64, now: Instant) -> &mut Listening {
    let stale = listening.as_ref().is_none_or(|known| known.term != term);
    if stale {
        *listening = None;
    }
    listening.get_or_insert_with(|| Listening {
        term,
        since: now,
        hosts: BTreeMap::new(),
        clocks: BTreeMap::new(),
    })
}

impl Listening {
    fn host(&self, name: &NodeName, now: Instant) -> Host {
        let since = |at: Instant| now.saturating_duration_since(at);
        let nothing = Known::default();
        let known = self.hosts.get(name).unwrap_or(&nothing);
        let young = HEALTH_AGE_MAX.as_duration();
        let heard = match &known.newest {
            None => Heard::Unknown,
            Some((at, sample)) => {
                let age = Millis(millis(since(*at)));
                match age <= HEALTH_AGE_MAX {
                    true => Heard::Heard {
                        age,
                        sample: sample.clone(),
                    },
                    false => Heard::Silent { age },
                }
            }
        };
        let last = known.newest.as_ref().map_or(self.since, |(at, _)| *at);
        Host {
            heard,
            silent_for: Millis(millis(since(last))),
            unhealthy_for: known.unhealthy_since.map(|at| Millis(millis(since(at)))),
            probed: known
                .probed
                .filter(|(at, _)| since(*at) <= young)
                .map(|(_, serves)| serves),
            served_ago: known.served.map(|at| Millis(millis(since(at)))),
        }
    }
}

fn voters(consensus: &ConsensusView) -> BTreeMap<MemberId, Voter> {
    let voter = |id: &u64| {
        let caught_up = *id == consensus.id
            || consensus
                .replication
                .get(id)
                .is_some_and(|replication| caught_up(replication, consensus.last_log));
        (MemberId(*id), Voter { caught_up })
    };
    consensus.voters.iter().map(voter).collect()
}

/// It answered lately and lacks little of the leader's log.
pub fn caught_up(replication: &Replication, last_log: Option<u64>) -> bool {
    let lag = last_log
        .unwrap_or(0)
        .saturating_sub(replication.matched.unwrap_or(0));
    let answered = replication.last_contact_age;
    lag <= LAG_MAX && answered.is_some_and(|age| age <= QUORUM_ACK_AGE_MAX.as_duration())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Generation;

    pub(super) fn sample(healthy: bool) -> Sample {
        Sample {
            healthy,
            version: None,
            digest: None,
            ready: true,
            drained: false,
            safe_to_stop: Ok(()),
            disk_free_bytes: 0,
            generation: Generation::default(),
            step: None,
        }
    }

    fn host(evidence: &Evidence, term: u64, at: Instant) -> Host {
        let mut listening = evidence.lock();
        listening_to(&mut listening, term, at).host(&"a".parse().unwrap(), at)
    }

    #[test]
    fn a_sample_grows_old_and_a_new_term_knows_nothing() {
        let evidence = Evidence::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(host(&evidence, 3, start).heard, Heard::Unknown);
        evidence.take_at(3, "a".parse().unwrap(), sample(true), None, after(500));
        assert_eq!(host(&evidence, 3, after(1_500)).fresh_health(), Some(true));
        let silent = host(&evidence, 3, after(4_500));
        assert_eq!(silent.heard, Heard::Silent { age: Millis(4_000) });
        assert_eq!(silent.silent_for, Millis(4_000));
        let new = host(&evidence, 4, after(4_500));
        assert_eq!((new.heard, new.silent_for), (Heard::Unknown, Millis(0)));
    }

    #[test]
    fn sickness_is_counted_from_its_first_sample_and_ends_with_a_healthy_one() {
        let evidence = Evidence::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        for (at, healthy) in [(0, true), (1_000, false), (2_000, false)] {
            evidence.take_at(3, "a".parse().unwrap(), sample(healthy), None, after(at));
        }
        let sick = host(&evidence, 3, after(2_500));
        assert_eq!(sick.unhealthy_for, Some(Millis(1_500)));
        evidence.take_at(3, "a".parse().unwrap(), sample(true), None, after(3_000));
        assert_eq!(host(&evidence, 3, after(3_000)).unhealthy_for, None);
    }

    #[test]
    fn a_look_that_finds_it_serving_ends_a_loss_and_is_forgotten_with_the_next_sample() {
        let evidence = Evidence::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let name = || "a".parse().unwrap();
        evidence.take_at(3, name(), sample(false), None, start);
        evidence.probed_at(3, name(), true, after(4_000));
        evidence.probed_at(3, name(), false, after(5_000));
        let silent = host(&evidence, 3, after(6_000));
        assert_eq!((silent.probed, silent.unhealthy_for), (Some(false), None));
        assert_eq!(silent.silent_for, Millis(6_000));
        assert_eq!(silent.served_ago, Some(Millis(2_000)));
        evidence.take_at(3, name(), sample(false), None, after(7_000));
        let heard = host(&evidence, 3, after(7_500));
        assert_eq!(heard.served_ago, None);
        assert_eq!(heard.unhealthy_for, Some(Millis(500)));
    }
}

//! After the restart: Verifying, Rejoining, Soaking. The database proves that it serves as the wanted version
//! before traffic comes back, and that it stays so before the slot is given up.

use std::collections::BTreeMap;

use super::action::Act;
use super::input::Look;
use super::ledger::{Phase, Work};
use super::turn::{Flow, Turn};
use crate::base::duration::Millis;
use crate::base::failure::Class;
use crate::base::limits::HEALTH_AGE_MAX;
use crate::base::sabotage::Bug;
use crate::fleet::intent::Goal;
use crate::fleet::observation::Rejoin;
use crate::plans::progress::Step;

/// Heartbeats between databases come every few seconds.
const PEERS_PACE: Millis = Millis(500);
const PEERS_TIMEOUT: Millis = Millis(2_000);
/// Before an undrain that failed is tried again.
const UNDRAIN_PACE: Millis = Millis(1_000);

impl Turn<'_> {
    pub fn verifying(&mut self, work: &Work, look: &Look) -> Flow {
        let deadlines = &work.intent.deadlines;
        // Zero successes would be no check at all.
        let enough = deadlines.health_successes.max(1);
        if self.memory.good_looks >= enough {
            return self.enter(Step::Rejoining);
        }
        if self.memory.wrong_versions >= enough {
            return self.fail(Step::Verifying, Class::VersionMismatch, look.describe());
        }
        // A look that is good now gets its chance to be followed by others.
        if self.elapsed(work.since_ms) >= deadlines.verify.0 && self.memory.good_looks == 0 {
            let class = if self.memory.wrong_versions > 0 {
                Class::VersionMismatch
            } else {
                Class::HealthGateFailed
            };
            let detail = format!("after {}: {}", deadlines.verify, look.describe());
            return self.fail(Step::Verifying, class, detail);
        }
        Flow::Wait
    }

    /// Parts: seen by a peer; undrained; ready and settled.
    pub fn rejoining(&mut self, work: &Work, look: &Look) -> Flow {
        let deadlines = &work.intent.deadlines;
        if let Some(flow) = self.fail_if_sick(work, look) {
            return flow;
        }
        let late = self.elapsed(work.since_ms) >= deadlines.rejoin.0;
        match work.part {
            0 if work.rejoin.is_some() => self.next_part(),
            0 if matches!(work.intent.goal, Goal::Rollback { .. }) => self.own_evidence(),
            0 if late && !listed_ever(work.marks.as_ref()) => self.own_evidence(),
            0 if late => {
                let detail = match &work.failure {
                    Some(failure) => format!("no peer could be asked: {}", failure.detail),
                    None => "no other healthy database saw this one again".to_owned(),
                };
                self.fail(Step::Rejoining, Class::RejoinFailed, detail)
            }
            0 => {
                self.memory.retry_at_ms = self.now.ms.saturating_add(PEERS_PACE.0);
                self.run_for_work(Act::AskPeers {
                    timeout: PEERS_TIMEOUT,
                })
            }
            1 if !self.ledger.drained => self.settle(),
            1 => match &work.failure {
                Some(failure) if late => {
                    self.fail_act(Step::Rejoining, Class::RejoinFailed, failure)
                }
                Some(_) => {
                    self.memory.retry_at_ms = self.now.ms.saturating_add(UNDRAIN_PACE.0);
                    self.change(|work| work.failure = None);
                    Flow::Again
                }
                None => self.run_for_work(Act::Undrain),
            },
            _ if !self.ledger.ready => self.settle(),
            _ if self.elapsed(work.since_ms) < deadlines.ready_settle.0 => Flow::Wait,
            _ => self.enter(Step::Soaking),
        }
    }

    fn own_evidence(&mut self) -> Flow {
        self.change(|work| work.rejoin = Some(Rejoin::Own));
        self.next_part()
    }

    /// Traffic comes back; from here the time to settle counts.
    fn settle(&mut self) -> Flow {
        let now_ms = self.now.ms;
        self.set_ready(true);
        self.change(|work| {
            work.part = 2;
            work.since_ms = now_ms;
            work.failure = None;
        });
        Flow::Again
    }

    /// While the database is down the answer is the mark, afterwards it is the evidence.
    pub fn peers_answered(&mut self, peers: BTreeMap<String, Option<u64>>) {
        let Some(work) = &mut self.ledger.work else {
            return;
        };
        work.failure = None;
        if work.phase != Phase::At(Step::Rejoining) {
            work.marks = Some(peers);
            self.next_part();
            return;
        }
        let marks = work.marks.get_or_insert_default();
        if peers.is_empty() {
            work.rejoin = Some(Rejoin::Own);
        }
        for (peer, seen) in peers {
            match (marks.get(&peer), seen) {
                (_, Some(_)) if Bug::StaleRejoin.is_planted() => work.rejoin = Some(Rejoin::Peers),
                (Some(None), Some(_)) => work.rejoin = Some(Rejoin::Peers),
                (Some(Some(mark)), Some(seen)) if seen > *mark => {
                    work.rejoin = Some(Rejoin::Peers);
                }
                (Some(_), _) => {}
                // It could not be asked before, so its first word is the mark.
                (None, _) => {
                    marks.insert(peer, seen);
                }
            }
        }
        if work.rejoin.is_some() {
            self.memory.retry_at_ms = 0;
        }
    }

    pub fn soaking(&mut self, work: &Work, look: &Look) -> Flow {
        let deadlines = &work.intent.deadlines;
        if let Some(flow) = self.fail_if_sick(work, look) {
            return flow;
        }
        let soak = match work.intent.goal {
            Goal::Rollback { .. } => Millis(0),
            _ => deadlines.soak,
        };
        let Some(healthy_since) = self.memory.healthy_since_ms else {
            return Flow::Wait;
        };
        if self.elapsed(look.at_ms) > HEALTH_AGE_MAX.0 {
            // This host slept: what it knew says nothing about now.
            self.ask_look();
            return Flow::Wait;
        }
        if self.elapsed(healthy_since.max(work.since_ms)) < soak.0 {
            return Flow::Wait;
        }
        self.succeed(work)
    }

    fn fail_if_sick(&mut self, work: &Work, look: &Look) -> Option<Flow> {
        let Phase::At(step) = work.phase else {
            return None;
        };
        let grace = work.intent.deadlines.health_grace;
        let since = self.memory.unhealthy_since_ms?;
        let sick = self.elapsed(since) > grace.0 && self.elapsed(look.at_ms) <= HEALTH_AGE_MAX.0;
        let detail = format!("for longer than {grace}: {}", look.describe());
        sick.then(|| self.fail(step, Class::HealthGateFailed, detail))
    }
}

/// Some peer lists this node at all. With users configured Aegis peers list nobody; then their silence is no
/// evidence against it.
fn listed_ever(marks: Option<&BTreeMap<String, Option<u64>>>) -> bool {
    marks.is_some_and(|marks| marks.values().any(Option::is_some))
}

//! What clients asked of which plan, when, and what they were told: the record that is judged when a round
//! has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use aegis_updates::base::ids::PlanId;
use aegis_updates::machine::state::State;
use tokio::time::Instant;

use super::checks::oracle::{self, Written};
use super::checks::order::{self, Placed};
use super::checks::registers::{self, Did, Op, Seen};

pub struct History {
    start: Instant,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    placed: Vec<Placed>,
    reads: Vec<Read>,
    writes: Vec<(PlanId, Op)>,
    tokens: BTreeMap<String, Written>,
}

/// When it began and ended, and every plan's revision and status.
type Read = (u64, u64, BTreeMap<PlanId, (u64, &'static str)>);

impl Default for History {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            kept: Mutex::default(),
        }
    }
}

impl History {
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub fn read(&self, began_ns: u64, state: &State) {
        let ended_ns = self.now_ns();
        let plans = state.plans.iter();
        let plans = plans.map(|(id, plan)| (*id, (plan.revision, plan.status.name())));
        let mut kept = self.kept.lock().unwrap();
        kept.reads.push((began_ns, ended_ns, plans.collect()));
        kept.placed.push(Placed {
            what: "a read".to_owned(),
            began_ns,
            ended_ns,
            index: state.head.applied,
            writes: false,
        });
    }

    pub fn placed(&self, what: &str, began_ns: u64, index: u64) {
        let ended_ns = self.now_ns();
        self.kept.lock().unwrap().placed.push(Placed {
            what: what.to_owned(),
            began_ns,
            ended_ns,
            index,
            writes: true,
        });
    }

    /// A write whose answer told what it did; an unknown one has no end.
    pub fn wrote(&self, plan: PlanId, began_ns: u64, known: bool, did: Did) {
        let ended_ns = if known { self.now_ns() } else { u64::MAX };
        let op = Op {
            began_ns,
            ended_ns,
            did,
        };
        self.kept.lock().unwrap().writes.push((plan, op));
    }

    pub fn token(&self, name: String, answer: Written) {
        self.kept.lock().unwrap().tokens.insert(name, answer);
    }

    /// Everything that is wrong with it, against what the cluster has in the end.
    pub fn judge(&self, state: &State) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        let mut wrong = Vec::new();
        let mut judged = |invariant: &str, judged: Result<(), String>| {
            if let Err(detail) = judged {
                wrong.push(format!("{invariant}: {detail}"));
            }
        };
        let there = state.tokens.keys().cloned().collect();
        judged("I12", oracle::judge(&kept.tokens, &there));
        judged("I13 by place", order::judge(&kept.placed));
        for plan in kept.plans() {
            let found = registers::judge(&kept.history_of(plan));
            judged("I13", found.map_err(|detail| format!("{plan}: {detail}")));
            if !state.plans.contains_key(&plan) {
                judged("I12", Err(format!("{plan} was seen and is lost")));
            }
        }
        wrong
    }

    pub fn trace(&self) -> String {
        let kept = self.kept.lock().unwrap();
        format!(
            "{:?} {:?} {:?} {:?}",
            kept.placed, kept.reads, kept.writes, kept.tokens
        )
    }

    pub fn size(&self) -> usize {
        self.kept.lock().unwrap().placed.len()
    }
}

impl Kept {
    fn plans(&self) -> BTreeSet<PlanId> {
        let read = self.reads.iter().flat_map(|(_, _, plans)| plans.keys());
        let known = |(plan, op): &(PlanId, Op)| (op.ended_ns < u64::MAX).then_some(*plan);
        read.copied()
            .chain(self.writes.iter().filter_map(known))
            .collect()
    }

    /// Reads that lack the plan count from when somebody was told of it.
    fn history_of(&self, plan: PlanId) -> Vec<Op> {
        let writes = self.writes.iter().filter(|(of, _)| *of == plan);
        let mut ops: Vec<Op> = writes.map(|(_, op)| op.clone()).collect();
        let saw = self
            .reads
            .iter()
            .filter(|(_, _, plans)| plans.contains_key(&plan));
        let told = saw.map(|(_, ended_ns, _)| *ended_ns);
        let told = told.chain(ops.iter().map(|op| op.ended_ns)).min();
        for (began_ns, ended_ns, plans) in &self.reads {
            let seen: Seen = plans.get(&plan).copied();
            if seen.is_some() || told.is_some_and(|told| *began_ns > told) {
                ops.push(Op {
                    began_ns: *began_ns,
                    ended_ns: *ended_ns,
                    did: Did::Read(seen),
                });
            }
        }
        ops
    }
}

//! The product's machine, watched: what every member computes at every index is compared (I14), and each
//! entry is judged once, when the first member applies it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aegis_updates::agent::boot::now_ms;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{Generation, MemberId};
use aegis_updates::control::machine::{Machine, Published};
use aegis_updates::journal::fact::Fact;
use aegis_updates::journal::record::Record;
use aegis_updates::machine::check::check;
use aegis_updates::machine::image;
use aegis_updates::machine::state::State;
use aegis_updates_raft::application::{
    Application, Applied, Column, EntryContext, RestoreError, StoredRow,
};

use super::checks::quorum::Silences;
use super::checks::{ended, i14};
use super::fleet::Fleet;
use super::history::History;
use super::met::Met;

/// A digest is over the whole state; every so many entries it is made.
const DIGEST_EVERY: u64 = 4;

pub struct Watched {
    pub inner: Machine,
    pub published: Arc<Published>,
    pub me: MemberId,
    pub watch: Arc<Watch>,
    pub restored: bool,
}

/// What the members of one round applied.
pub struct Watch {
    known: Mutex<Known>,
    fleet: Arc<Fleet>,
    met: Arc<Met>,
    /// Who applied what, when.
    trace: Mutex<Vec<(MemberId, u64, u64)>>,
}

#[derive(Default)]
struct Known {
    digests: BTreeMap<u64, Digest>,
    newest: u64,
    silences: Silences,
    generations: BTreeMap<MemberId, Generation>,
    wrong: Vec<String>,
}

impl Application for Watched {
    fn apply(&mut self, entry: &EntryContext, payload: &[u8]) -> Applied {
        let applied = self.inner.apply(entry, payload);
        let rows = applied.rows.iter();
        let facts = rows.filter(|row| row.column == Column::Journal);
        let facts: Vec<Record> = facts
            .filter_map(|row| serde_json::from_slice(row.value.as_deref()?).ok())
            .collect();
        let state = self.published.state();
        self.watch.applied(self.me, entry.index, &state, &facts);
        applied
    }

    fn restore(&mut self, rows: &mut dyn Iterator<Item = StoredRow>) -> Result<(), RestoreError> {
        self.inner.restore(rows)?;
        if std::mem::replace(&mut self.restored, true) {
            self.watch.met.count("image");
        }
        let state = self.published.state();
        self.watch.compare(self.me, &state);
        Ok(())
    }
}

impl Watch {
    pub fn new(fleet: Arc<Fleet>, met: Arc<Met>) -> Self {
        Self {
            known: Mutex::default(),
            fleet,
            met,
            trace: Mutex::default(),
        }
    }

    pub fn wrong(&self, what: String) {
        self.known.lock().unwrap().wrong.push(what);
    }

    pub fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.known.lock().unwrap().wrong)
    }

    /// Of all that happened: who applied what at which time, what came of it, and what clients were told when.
    pub fn trace(&self, history: &History) -> Digest {
        let applied = self.trace.lock().unwrap();
        let known = self.known.lock().unwrap();
        let all = format!("{applied:?} {:?} {}", known.digests, history.trace());
        Digest::of(all.as_bytes())
    }

    fn applied(&self, me: MemberId, index: u64, state: &State, facts: &[Record]) {
        self.trace.lock().unwrap().push((me, index, now_ms()));
        if index.is_multiple_of(DIGEST_EVERY) {
            self.compare(me, state);
        }
        let mut known = self.known.lock().unwrap();
        if index <= known.newest {
            return;
        }
        known.newest = index;
        known.silences.commits(now_ms());
        for violation in check(state) {
            known.wrong.push(format!("check at {index}: {violation:?}"));
        }
        known.generations_grow(state);
        for record in facts {
            self.judge(&mut known, state, &record.fact);
        }
    }

    fn judge(&self, known: &mut Known, state: &State, fact: &Fact) {
        match fact {
            Fact::PlanStatus { plan, to, .. } => {
                self.met.count(to);
                let plan = state.plans.get(plan);
                if let Some(Err(detail)) = plan.map(|plan| ended::ended_truly(state, plan)) {
                    known.wrong.push(format!("I10: {detail}"));
                }
            }
            Fact::QuorumLost { cause, .. } if cause.contains("voters") => {
                let cluster = state.head.cluster.as_ref();
                let grace = cluster.map_or(0, |known| known.settings.quorum_loss_grace_ms);
                self.met.count("quorum_lost");
                if let Err(detail) = known.silences.called_lost(grace) {
                    known.wrong.push(format!("I22: {detail}: {cause}"));
                }
            }
            Fact::NodeRemoved { node } => self.fleet.with(|hosts| hosts.removed(node)),
            Fact::Alarm { detail } => known.wrong.push(format!("alarm: {detail}")),
            Fact::ActedIsolated { .. } => self.met.count("acted_alone"),
            Fact::UnknownHands { detail, .. } => {
                known
                    .wrong
                    .push(format!("nobody else has hands here: {detail}"));
            }
            _ => {}
        }
    }

    /// Also read by clients: a state that is shown must be one that the log had.
    pub fn compare(&self, member: MemberId, state: &State) {
        let index = state.head.applied;
        // A new store has the number of the first entry, and has not applied it.
        if index == 0 {
            return;
        }
        let digest = match image::digest(state) {
            Ok(digest) => digest,
            Err(error) => return self.wrong(format!("I14: member {member}: {error}")),
        };
        let mut known = self.known.lock().unwrap();
        let first = *known.digests.entry(index).or_insert(digest);
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        if let Err(detail) = i14::judge(member, place, first, digest) {
            known.wrong.push(format!("I14: {detail}"));
        }
    }
}

impl Known {
    fn generations_grow(&mut self, state: &State) {
        for node in state.nodes.values() {
            let known = self.generations.entry(node.member).or_default();
            if node.generation < *known {
                let (name, now) = (&node.name, node.generation);
                self.wrong
                    .push(format!("I8: {name} fell from {known} to {now}"));
            }
            *known = node.generation;
        }
    }
}

#[test]
fn members_that_differ_and_generations_that_fall_are_caught() {
    let fleet = Arc::new(Fleet::new(Default::default(), Digest::of(b"old"), 1));
    let watch = Watch::new(fleet, Arc::default());
    let mut state = State::default();
    state.head.applied = 4;
    watch.compare(MemberId(1), &state);
    watch.compare(MemberId(2), &state);
    assert_eq!(watch.take_wrong(), Vec::<String>::new());
    state.head.next_plan = 9;
    watch.compare(MemberId(3), &state);
    assert_eq!(watch.take_wrong().len(), 1);
}

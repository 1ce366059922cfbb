//! The product's machine as the replicated application: bytes are turned into submissions, what applying
//! them changed into rows. What a command does is in `machine`; nothing here decides.

use std::sync::{Arc, PoisonError, RwLock};

use aegis_updates_raft::application::{
    Application, Applied, Column, EntryContext, EntryKind, RestoreError, Row, StoredRow,
};
use aegis_updates_raft::fatal::Fatal;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::base::ids::MemberId;
use crate::base::packed;
use crate::base::version;
use crate::journal::record::Record;
use crate::machine::state::{Reply, State};
use crate::machine::submission::{Position, Submission};
use crate::machine::{apply, image, refusal::Refusal};

/// The first byte of every payload. A later layout gets a later number, and is written only once every
/// member can read it.
const LAYOUT: u8 = 1;

/// Applies entries to the state that [`Published`] shows.
pub struct Machine {
    published: Arc<Published>,
    /// Tripped when what was applied cannot be written down: a member that went on would forget it.
    fatal: Fatal,
}

/// The state as this member last applied it. A reader's copy is a reference; the next apply copies the
/// state only while some reader still holds one.
#[derive(Debug)]
pub struct Published {
    state: RwLock<Arc<State>>,
    newest: watch::Sender<Newest>,
    index: watch::Sender<u64>,
}

/// The newest entry applied here, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    pub index: u64,
    pub at: Instant,
}

impl Machine {
    pub fn new(fatal: Fatal) -> (Self, Arc<Published>) {
        let newest = Newest {
            index: 0,
            at: Instant::now(),
        };
        let published = Arc::new(Published {
            state: RwLock::default(),
            newest: watch::channel(newest).0,
            index: watch::channel(0).0,
        });
        let machine = Self {
            published: published.clone(),
            fatal,
        };
        (machine, published)
    }
}

impl Published {
    pub fn state(&self) -> Arc<State> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Wakes after each applied entry.
    pub fn watch(&self) -> watch::Receiver<Newest> {
        self.newest.subscribe()
    }

    /// As [`Published::watch`], for those who care only how far.
    pub fn watch_index(&self) -> watch::Receiver<u64> {
        self.index.subscribe()
    }

    pub fn newest(&self) -> Newest {
        *self.newest.borrow()
    }

    fn replace(&self, state: State) {
        let index = state.head.applied;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        self.tell(index);
    }

    fn tell(&self, index: u64) {
        let at = Instant::now();
        self.newest.send_replace(Newest { index, at });
        self.index.send_replace(index);
    }
}

impl Application for Machine {
    fn apply(&mut self, entry: &EntryContext, payload: &[u8]) -> Applied {
        if self.fatal.reason().is_some() {
            return Applied::default();
        }
        let position = Position {
            index: entry.index,
            term: entry.term,
            leader: MemberId(entry.leader),
        };
        let mut published = self
            .published
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let state = Arc::make_mut(&mut published);
        let mut reply = Vec::new();
        let facts = match &entry.kind {
            EntryKind::FirstOfTerm => {
                apply::apply_first_of_term(state, position);
                Vec::new()
            }
            EntryKind::Membership(membership) => {
                let voters: Vec<_> = membership.voter_ids().into_iter().map(MemberId).collect();
                let members: Vec<_> = membership.nodes.keys().copied().map(MemberId).collect();
                let joint = membership.voters.len() > 1;
                apply::apply_membership(state, position, &voters, &members, joint)
            }
            EntryKind::Normal { .. } => {
                let applied = apply_payload(state, position, payload);
                // Applied as this version understands it, it would give another state than the others'.
                let supported = version::Supported::OURS.check(state.head.version);
                match applied.and_then(|applied| supported.map(|()| applied)) {
                    Ok((result, facts)) => {
                        reply = encode_reply(&result);
                        facts
                    }
                    Err(why) => {
                        self.fatal.trip(format!("entry {}: {why}", entry.index));
                        return Applied::default();
                    }
                }
            }
        };
        let changed = image::changed(state).unwrap_or_else(|error| {
            self.fatal.trip(error);
            Vec::new()
        });
        let application = |(key, value)| Row {
            column: Column::Application,
            key,
            value,
        };
        let mut rows: Vec<Row> = changed.into_iter().map(application).collect();
        rows.extend(facts.iter().map(journal_row));
        drop(published);
        self.published.tell(entry.index);
        Applied { reply, rows }
    }

    fn restore(&mut self, rows: &mut dyn Iterator<Item = StoredRow>) -> Result<(), RestoreError> {
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let state = image::restore(rows.into_iter()).map_err(RestoreError)?;
        self.published.replace(state);
        Ok(())
    }
}

fn apply_payload(
    state: &mut State,
    position: Position,
    payload: &[u8],
) -> Result<(Result<Reply, Refusal>, Vec<Record>), String> {
    if payload.is_empty() {
        // No version can read it: it counts as applied on every member alike, and changes nothing else.
        apply::apply_first_of_term(state, position);
        let detail = "an entry is empty".to_owned();
        return Ok((Err(Refusal::Internal { detail }), Vec::new()));
    }
    let submission = decode_submission(payload)?;
    let outcome = apply::apply(state, position, &submission);
    Ok((outcome.result, outcome.facts))
}

fn journal_row(record: &Record) -> Row {
    Row {
        column: Column::Journal,
        key: Record::key(record.index, record.ordinal),
        // A record is plain data with text keys, which JSON always holds; a row that could not be
        // written would still keep its place.
        value: Some(serde_json::to_vec(record).unwrap_or_default()),
    }
}

/// What goes into the log for a submission.
pub fn encode_submission(submission: &Submission) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = vec![LAYOUT];
    rmp_serde::encode::write_named(&mut bytes, submission)?;
    Ok(bytes)
}

/// Reads what [`encode_submission`] wrote. Whoever proposes an entry can read it; one that cannot be read here was
/// written by a newer daemon.
pub fn decode_submission(payload: &[u8]) -> Result<Submission, String> {
    let unknown = |why: String| {
        format!("it is of a kind that this daemon does not know ({why}); start the newer daemon")
    };
    match payload.split_first() {
        Some((&LAYOUT, body)) => packed::decode(body).map_err(|error| unknown(error.to_string())),
        layout => Err(unknown(format!(
            "its layout is {:?}, known is {LAYOUT}",
            layout.map(|(layout, _)| layout)
        ))),
    }
}

fn encode_reply(result: &Result<Reply, Refusal>) -> Vec<u8> {
    // Plain data always encodes; an empty reply reads as an unknown outcome, which is true then.
    rmp_serde::to_vec_named(result).unwrap_or_default()
}

/// Reads what [`Machine`] gave as the reply of an entry.
pub fn decode_reply(bytes: &[u8]) -> Result<Result<Reply, Refusal>, String> {
    packed::decode(bytes).map_err(|error| format!("a reply cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::access::principal::Principal;
    use crate::machine::command::{Command, Raise, Settings};
    use crate::machine::state::Cluster;

    const NEWER: version::Cluster = version::Cluster(version::Supported::OURS.newest.0 + 1);

    fn entry(index: u64) -> EntryContext {
        EntryContext {
            index,
            term: 1,
            leader: 1,
            kind: EntryKind::Normal { opening: false },
        }
    }

    fn submission(command: Command) -> Submission {
        let member = MemberId(1);
        Submission {
            elapsed_ms: 0,
            run_ms: None,
            wall_ms: 0,
            actor: Principal::Member { member },
            reason: None,
            request: None,
            command,
        }
    }

    fn formed() -> State {
        let mut state = State::default();
        state.head.cluster = Some(Cluster {
            id: "c".to_owned(),
            incarnation: 1,
            settings: Settings {
                quorum_loss_grace_ms: 1,
                url_allow: Vec::new(),
                voters_max: 1,
            },
        });
        state.head.term.number = 1;
        state.head.term.leader = Some(MemberId(1));
        state.head.term.opened = true;
        state
    }

    fn restored(state: &State) -> Result<(Machine, Arc<Published>, Fatal), RestoreError> {
        let fatal = Fatal::new(|_| {});
        let (mut machine, published) = Machine::new(fatal.clone());
        let rows = image::all(state).unwrap();
        machine.restore(&mut rows.into_iter().map(Ok))?;
        Ok((machine, published, fatal))
    }

    /// Neither this entry nor the next is applied, and nothing of them is written.
    fn stops_at(bytes: &[u8]) {
        let (mut machine, published, fatal) = restored(&formed()).unwrap();
        assert_eq!(machine.apply(&entry(7), bytes), Applied::default());
        let reason = fatal.reason().unwrap();
        assert!(reason.starts_with("entry 7: "), "{reason}");
        assert!(reason.contains("start the newer daemon"), "{reason}");
        let tick = submission(Command::Tick { previous_ms: 1 });
        let tick = encode_submission(&tick).unwrap();
        assert_eq!(machine.apply(&entry(8), &tick), Applied::default());
        assert_eq!(published.newest().index, 0);
    }

    #[test]
    fn an_entry_of_a_kind_that_is_not_known_stops_the_member() {
        let known = submission(Command::Tick { previous_ms: 1 });
        let mut newer = serde_json::to_value(&known).unwrap();
        newer["command"] = json!({ "Annex": { "where": "there" } });
        let mut bytes = vec![LAYOUT];
        rmp_serde::encode::write_named(&mut bytes, &newer).unwrap();
        stops_at(&bytes);
        stops_at(&[LAYOUT + 1, 1, 2, 3]);
    }

    #[test]
    fn a_field_that_is_not_known_is_passed_over() {
        let known = submission(Command::Tick { previous_ms: 1 });
        let mut newer = serde_json::to_value(&known).unwrap();
        newer["command"]["Tick"]["beat"] = json!(3);
        let mut bytes = vec![LAYOUT];
        rmp_serde::encode::write_named(&mut bytes, &newer).unwrap();
        assert_eq!(decode_submission(&bytes).as_ref(), Ok(&known));
    }

    #[test]
    fn a_cluster_version_that_is_not_supported_is_not_entered() {
        let raise = Raise {
            to: Some(NEWER),
            supported: BTreeMap::new(),
        };
        let raise = submission(Command::Finalize(raise));
        stops_at(&encode_submission(&raise).unwrap());
    }

    #[test]
    fn a_store_of_a_version_that_is_not_supported_is_refused() {
        let mut state = formed();
        state.head.version = NEWER;
        let refused = restored(&state).map(drop).unwrap_err();
        let words = format!("the cluster is at version {NEWER}");
        assert!(refused.0.contains(&words), "{refused}");
        assert!(refused.0.ends_with("start the newer daemon"), "{refused}");
    }

    #[test]
    fn a_store_from_before_there_were_versions_is_at_the_first() {
        let state = formed();
        let mut head = serde_json::to_value(&state.head).unwrap();
        head.as_object_mut().unwrap().remove("version");
        let row = (b"head".to_vec(), rmp_serde::to_vec_named(&head).unwrap());
        let read = image::restore(std::iter::once(row)).unwrap();
        assert_eq!(read.head.version, version::Cluster::FIRST);
    }
}

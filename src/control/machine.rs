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
                let (result, facts) = apply_payload(state, position, payload);
                reply = encode_reply(&result);
                facts
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
) -> (Result<Reply, Refusal>, Vec<Record>) {
    match decode_submission(payload) {
        Ok(submission) => {
            let outcome = apply::apply(state, position, &submission);
            (outcome.result, outcome.facts)
        }
        Err(detail) => {
            // The entry counts as applied on every member alike, and changes nothing else.
            apply::apply_first_of_term(state, position);
            (Err(Refusal::Internal { detail }), Vec::new())
        }
    }
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

/// Reads what [`encode_submission`] wrote. Exact: another layout, or a field that is missing, is an error.
pub fn decode_submission(payload: &[u8]) -> Result<Submission, String> {
    match payload.split_first() {
        Some((&LAYOUT, body)) => {
            packed::decode(body).map_err(|error| format!("an entry cannot be read: {error}"))
        }
        Some((layout, _)) => Err(format!(
            "an entry has layout {layout}, this version reads {LAYOUT}"
        )),
        None => Err("an entry is empty".to_owned()),
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

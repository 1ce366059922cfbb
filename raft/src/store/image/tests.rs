//! Images built, sent in pieces, installed, and installed again after a crash in the middle.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream;
use openraft::RaftSnapshotBuilder;
use openraft::storage::RaftStateMachine;
use tempfile::TempDir;

use super::{Chunk, ImageFile, Pointer, ReceiveError, file_name, format};
use crate::application::{
    Application, Applied, Column, EntryContext, Payload, RestoreError, Row, StoredRow,
};
use crate::fatal::Fatal;
use crate::ground::rocks::WriteBatch;
use crate::store::columns::{AFTER_ALL, JOURNAL, STATE, key};
use crate::store::state::AppliedRow;
use crate::store::{Identity, Presence, StateMachine, Store};
use crate::types::{Elected, Entry, EntryPayload, LogId};

/// No state is restored from rows with this key.
const REFUSED: &[u8] = b"row 666";

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Remembers what it was restored from; each payload becomes a row in both columns.
#[derive(Clone, Default)]
struct Mirror(Arc<Mutex<Rows>>);

impl Application for Mirror {
    fn apply(&mut self, entry: &EntryContext, payload: &[u8]) -> Applied {
        let row = |column, key: Vec<u8>| Row {
            column,
            key,
            value: Some(payload.to_vec()),
        };
        let journal = row(Column::Journal, entry.index.to_be_bytes().to_vec());
        Applied {
            reply: Vec::new(),
            rows: vec![row(Column::Application, payload.to_vec()), journal],
        }
    }

    fn restore(&mut self, rows: &mut dyn Iterator<Item = StoredRow>) -> Result<(), RestoreError> {
        let rows = rows.collect::<Result<Rows, _>>()?;
        if rows.iter().any(|(key, _)| key == REFUSED) {
            return Err(RestoreError("it does not know such a row".to_owned()));
        }
        *self.0.lock().unwrap() = rows;
        Ok(())
    }
}

struct Made {
    dir: TempDir,
    store: Store,
    state: StateMachine,
    mirror: Mirror,
    told: Arc<Mutex<Vec<String>>>,
}

fn open(dir: TempDir) -> Made {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = told.clone();
    let fatal = Fatal::new(move |reason| noted.lock().unwrap().push(reason.to_owned()));
    let identity = Identity {
        cluster: "paper".to_owned(),
        member: 1,
        incarnation: 1,
    };
    let store = Store::open(dir.path(), identity, Presence::MayBeNew, fatal).unwrap();
    let mirror = Mirror::default();
    let state = store.state_machine(mirror.clone()).unwrap();
    Made {
        dir,
        store,
        state,
        mirror,
        told,
    }
}

fn reopen(made: Made) -> Made {
    let Made {
        dir, store, state, ..
    } = made;
    drop(state);
    drop(store);
    open(dir)
}

async fn filled(entries: std::ops::Range<u64>) -> Made {
    let mut made = open(TempDir::new().unwrap());
    let entries = entries.map(|index| {
        let log_id = LogId::new(Elected { term: 1, node: 1 }, index);
        let payload = EntryPayload::Normal(Payload::new(format!("row {index}").into_bytes()));
        Ok((Entry { log_id, payload }, None))
    });
    made.state.apply(stream::iter(entries)).await.unwrap();
    made
}

async fn image(made: &mut Made) -> ImageFile {
    made.state
        .get_snapshot_builder()
        .await
        .build_snapshot()
        .await
        .unwrap()
        .snapshot
}

/// A copy of `image` as it lies in the receiver's directory when it has arrived.
fn arrived(image: &ImageFile, receiver: &Made) -> ImageFile {
    let path = receiver.dir.path().join("images/it.arriving");
    fs::copy(&image.path, &path).unwrap();
    ImageFile {
        path,
        ..image.clone()
    }
}

fn columns(made: &Made) -> Vec<Rows> {
    let rows = |column| {
        let rows = made.store.disk.database.all_rows(column).unwrap();
        rows.map(|row| {
            row.map(|(key, value)| (key.into_vec(), value.into_vec()))
                .unwrap()
        })
        .collect()
    };
    vec![rows(STATE), rows(JOURNAL)]
}

fn applied(made: &Made) -> AppliedRow {
    made.store
        .disk
        .database
        .meta(key::APPLIED)
        .unwrap()
        .unwrap_or_default()
}

#[tokio::test]
async fn an_installed_image_replaces_everything() {
    let mut sender = filled(0..500).await;
    let mut receiver = filled(1_000..1_010).await;
    let sent = image(&mut sender).await;
    let meta = sender.store.disk.image().unwrap().meta().unwrap();
    let file = arrived(&sent, &receiver);
    receiver.state.install_snapshot(&meta, file).await.unwrap();
    assert_eq!(columns(&receiver), columns(&sender));
    assert_eq!(applied(&receiver).covered, applied(&sender).covered);
    assert_eq!(*receiver.mirror.0.lock().unwrap(), columns(&sender)[0]);

    let receiver = reopen(receiver);
    assert_eq!(*receiver.mirror.0.lock().unwrap(), columns(&sender)[0]);
    assert_eq!(receiver.store.disk.image().unwrap().sha256, sent.sha256);
}

#[tokio::test]
async fn an_installation_cut_short_is_ended_at_the_next_open() {
    let mut sender = filled(0..500).await;
    let receiver = filled(1_000..1_010).await;
    let sent = image(&mut sender).await;
    let covered = sender.store.disk.image().unwrap().covered;
    let pointer = Pointer {
        file: file_name(&covered),
        bytes: sent.bytes,
        sha256: sent.sha256,
        covered,
    };
    fs::copy(
        &sent.path,
        receiver.dir.path().join("images").join(&pointer.file),
    )
    .unwrap();
    {
        // As far as a crash in the middle of the replacement leaves it.
        let database = &receiver.store.disk.database;
        let mut batch = WriteBatch::default();
        database
            .put_meta(&mut batch, key::INSTALLING, &pointer)
            .unwrap();
        batch.delete_range_cf(database.column(STATE).unwrap(), &[] as &[u8], AFTER_ALL);
        batch.put_cf(database.column(STATE).unwrap(), b"row 1", b"row 1");
        database.write(batch).unwrap();
    }
    let receiver = reopen(receiver);
    assert_eq!(columns(&receiver), columns(&sender));
    assert_eq!(applied(&receiver).covered, applied(&sender).covered);
    assert_eq!(*receiver.mirror.0.lock().unwrap(), columns(&sender)[0]);
    assert_eq!(
        receiver
            .store
            .disk
            .database
            .meta::<Pointer>(key::INSTALLING)
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_damaged_image_is_not_installed_and_stops_the_member() {
    let mut sender = filled(0..50).await;
    let mut receiver = filled(1_000..1_010).await;
    let before = columns(&receiver);
    let sent = image(&mut sender).await;
    let meta = sender.store.disk.image().unwrap().meta().unwrap();
    let file = arrived(&sent, &receiver);
    let mut bytes = fs::read(&file.path).unwrap();
    bytes[200] ^= 1;
    fs::write(&file.path, bytes).unwrap();
    assert!(receiver.state.install_snapshot(&meta, file).await.is_err());
    assert_eq!(receiver.told.lock().unwrap().len(), 1);
    assert_eq!(columns(&reopen(receiver)), before);
}

#[tokio::test]
async fn an_image_that_the_application_refuses_leaves_the_state_as_it_was() {
    let mut sender = filled(600..700).await;
    let mut receiver = reopen(filled(1_000..1_010).await);
    let (before, was_applied) = (columns(&receiver), applied(&receiver));
    let sent = image(&mut sender).await;
    let meta = sender.store.disk.image().unwrap().meta().unwrap();
    let file = arrived(&sent, &receiver);
    assert!(receiver.state.install_snapshot(&meta, file).await.is_err());
    assert_eq!(receiver.told.lock().unwrap().len(), 1);
    assert_eq!(*receiver.mirror.0.lock().unwrap(), before[0]);
    let receiver = reopen(receiver);
    assert_eq!(columns(&receiver), before);
    assert_eq!(applied(&receiver), was_applied);
    assert_eq!(*receiver.mirror.0.lock().unwrap(), before[0]);
}

#[tokio::test]
async fn pieces_may_repeat_and_stop_and_go_on() {
    let mut sender = filled(0..300).await;
    let receiver = open(TempDir::new().unwrap());
    let sent = image(&mut sender).await;
    let whole = fs::read(&sent.path).unwrap();
    let inbox = receiver.store.inbox();
    let send = |offset: usize, length: usize| {
        let bytes = whole[offset..offset + length].to_vec();
        inbox
            .take(&Chunk {
                sha256: sent.sha256,
                offset: offset as u64,
                bytes,
            })
            .unwrap()
    };
    assert_eq!(send(0, 0), 0);
    assert_eq!(send(0, 1_000), 1_000);
    assert_eq!(send(0, 1_000), 1_000, "a repeated piece changes nothing");
    assert_eq!(
        send(3_000, 1_000),
        1_000,
        "a piece out of turn changes nothing"
    );
    assert!(matches!(
        inbox.finish(sent.sha256, sent.bytes),
        Err(ReceiveError::Incomplete)
    ));
    assert_eq!(send(1_000, whole.len() - 1_000), sent.bytes);
    let file = inbox.finish(sent.sha256, sent.bytes).unwrap();
    assert_eq!(
        format::digest(&file.path).unwrap(),
        (sent.bytes, sent.sha256)
    );

    // Another image begins anew, and bytes that are not its own are found out.
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    let other = [7; 32];
    let bytes = damaged.len() as u64;
    inbox
        .take(&Chunk {
            sha256: other,
            offset: 0,
            bytes: damaged,
        })
        .unwrap();
    assert!(matches!(
        inbox.finish(other, bytes),
        Err(ReceiveError::Damaged)
    ));
    let arriving = fs::read_dir(receiver.dir.path().join("images"))
        .unwrap()
        .count();
    assert_eq!(arriving, 1, "only the whole image is left");
}

#[tokio::test]
async fn a_newer_image_is_not_given_up_for_an_older_one_that_was_still_being_built() {
    let mut sender = filled(0..500).await;
    let mut receiver = filled(0..10).await;
    let sent = image(&mut sender).await;
    let meta = sender.store.disk.image().unwrap().meta().unwrap();
    let mut building = receiver.state.get_snapshot_builder().await;
    let file = arrived(&sent, &receiver);
    receiver.state.install_snapshot(&meta, file).await.unwrap();
    assert_eq!(building.build_snapshot().await.unwrap().meta, meta);
    let current = receiver
        .store
        .disk
        .image
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    assert_eq!(current.unwrap().sha256, sent.sha256);
}

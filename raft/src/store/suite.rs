//! openraft's own suite for stores, run on ours. It has no case of ours.

use std::sync::atomic::{AtomicU64, Ordering};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::{Identity, LogStore, Presence, StateMachine, Store};
use crate::application::{Application, Applied, EntryContext, RestoreError, StoredRow};
use crate::fatal::Fatal;
use crate::types::Types;

struct Forgetful;

impl Application for Forgetful {
    fn apply(&mut self, _entry: &EntryContext, _payload: &[u8]) -> Applied {
        Applied::default()
    }

    fn restore(&mut self, rows: &mut dyn Iterator<Item = StoredRow>) -> Result<(), RestoreError> {
        for row in rows {
            row?;
        }
        Ok(())
    }
}

struct Fresh {
    dir: TempDir,
    made: AtomicU64,
}

impl StoreBuilder<Types, LogStore, StateMachine, Store> for Fresh {
    async fn build(&self) -> Result<(Store, LogStore, StateMachine), StorageError<Types>> {
        let dir = self
            .dir
            .path()
            .join(self.made.fetch_add(1, Ordering::Relaxed).to_string());
        let identity = Identity {
            cluster: "suite".to_owned(),
            member: 0,
            incarnation: 1,
        };
        let fatal = Fatal::new(|reason| panic!("{reason}"));
        let store =
            Store::open(&dir, identity, Presence::MayBeNew, fatal).expect("a new store opens");
        let log = store.log();
        let state = store
            .state_machine(Forgetful)
            .expect("an empty state restores");
        Ok((store, log, state))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_stores_pass_openrafts_suite() {
    let dir = TempDir::new().expect("a directory");
    Suite::test_all(Fresh {
        dir,
        made: AtomicU64::new(0),
    })
    .await
    .expect("the suite passes");
}

//! The replicated state: entries are applied to the application in memory, and what they changed is
//! written with `last_applied` in one batch. openraft calls it from one task.

use crate::sabotage::Bug;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine, Snapshot};
use serde::{Deserialize, Serialize};

use super::columns::{JOURNAL, STATE, key};
use super::disk::Disk;
use super::image::{Builder, ImageFile, install, state_rows};
use crate::application::{
    Application, Applied, Column, EntryContext, EntryKind, Node, RestoreError, StoredRow,
};
use crate::fail_point::fail_point;
use crate::ground::off_runtime;
use crate::ground::rocks::WriteBatch;
use crate::types::{
    Body, Configured, Covered, Elected, ImageMeta, LogId, Record, StoredMembership, Types,
};

/// Entries of one call share a batch up to about this size.
const BATCH_BYTES: usize = 1 << 20;

pub(crate) struct StateMachine {
    disk: Arc<Disk>,
    application: Box<dyn Application>,
    applied: AppliedRow,
}

/// How far the state got, in the same batch as the state itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppliedRow {
    pub(crate) covered: Covered,
    /// The highest member id that was ever in a configuration. Ids are never used twice, so a lower
    /// one that is in none has been removed.
    pub(crate) member_id_max: u64,
}

impl AppliedRow {
    pub(super) fn after(self, covered: Covered) -> Self {
        let newest = covered
            .configured
            .membership
            .nodes
            .keys()
            .next_back()
            .copied()
            .unwrap_or(0);
        Self {
            member_id_max: self.member_id_max.max(newest),
            covered,
        }
    }
}

impl AppliedRow {
    /// As an image says it, knowing of no fewer members than before.
    pub(super) fn installed_over(self, before: &Self) -> Self {
        let member_id_max = self.member_id_max.max(before.member_id_max);
        Self {
            covered: self.covered,
            member_id_max,
        }
    }
}

impl StateMachine {
    /// Restores the application from the rows on disk.
    pub(super) fn open(disk: Arc<Disk>, application: impl Application) -> io::Result<Self> {
        let applied = disk.database.meta(key::APPLIED)?.unwrap_or_default();
        let mut application: Box<dyn Application> = Box::new(application);
        let mut rows = disk.database.all_rows(STATE)?.map(|row| -> StoredRow {
            let (row_key, value) = row.map_err(|error| RestoreError(error.to_string()))?;
            Ok((row_key.into_vec(), value.into_vec()))
        });
        let restored = application.restore(&mut rows);
        drop(rows);
        restored.map_err(|error| disk.damaged(error.to_string()))?;
        Ok(Self {
            disk,
            application,
            applied,
        })
    }

    fn apply_one(&mut self, record: Record, batch: &mut WriteBatch) -> io::Result<Vec<u8>> {
        let (kind, payload) = match record.body {
            Body::FirstOfTerm => (EntryKind::FirstOfTerm, Vec::new()),
            Body::Normal(payload) => (
                EntryKind::Normal {
                    opening: payload.opening,
                },
                payload.bytes,
            ),
            Body::Membership(membership) => {
                let configured = Configured {
                    at: Some(record.at),
                    membership: membership.clone(),
                };
                self.applied = std::mem::take(&mut self.applied).after(Covered {
                    last: Some(record.at),
                    configured,
                });
                (EntryKind::Membership(membership), Vec::new())
            }
        };
        self.applied.covered.last = Some(record.at);
        let entry = EntryContext {
            index: record.at.index,
            term: record.at.term,
            leader: record.at.leader,
            kind,
        };
        // A panic would leave a core that looks alive and never applies again.
        let applied = catch_unwind(AssertUnwindSafe(|| {
            self.application.apply(&entry, &payload)
        }));
        let Applied { reply, rows } = applied.map_err(|_| {
            self.disk
                .damaged(format!("applying entry {} panicked", entry.index))
        })?;
        for row in rows {
            let column = self.disk.database.column(match row.column {
                Column::Application => STATE,
                Column::Journal => JOURNAL,
            })?;
            match row.value {
                Some(value) => batch.put_cf(column, row.key, value),
                None => batch.delete_cf(column, row.key),
            }
        }
        Ok(reply)
    }

    /// Writes what the entries changed, then answers who proposed them.
    fn commit(
        &self,
        mut batch: WriteBatch,
        replies: &mut Vec<(ApplyResponder<Types>, Vec<u8>)>,
    ) -> io::Result<()> {
        self.disk
            .database
            .put_meta(&mut batch, key::APPLIED, &self.applied)?;
        if Bug::AppliedApart.is_planted() {
            let mut apart = WriteBatch::default();
            self.disk
                .database
                .put_meta(&mut apart, key::APPLIED, &self.applied)?;
            self.disk.database.write(apart)?;
        }
        fail_point("state.before");
        self.disk.database.write(batch)?;
        fail_point("state.written");
        self.disk.publish(&self.applied);
        for (responder, reply) in replies.drain(..) {
            responder.send(reply);
        }
        Ok(())
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = ImageFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let covered = self.applied.covered.clone();
        Ok((
            covered.last.map(LogId::from),
            covered.configured.try_into()?,
        ))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut batch = WriteBatch::default();
        let mut replies = Vec::new();
        while let Some((entry, responder)) = entries.try_next().await? {
            let reply = self.apply_one(entry.into(), &mut batch)?;
            replies.extend(responder.map(|responder| (responder, reply)));
            if batch.size_in_bytes() > BATCH_BYTES {
                self.commit(std::mem::take(&mut batch), &mut replies)?;
            }
        }
        self.commit(batch, &mut replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder::start(self.disk.clone()).await
    }

    async fn install_snapshot(&mut self, _meta: &ImageMeta, image: ImageFile) -> io::Result<()> {
        let (disk, arrived) = (self.disk.clone(), image.clone());
        let mut rows = off_runtime(move || state_rows(&disk, &arrived))
            .await
            .map_err(io::Error::other)??;
        // Before anything is replaced: what the application refuses must not lie here in place of what it had.
        let restored = self.application.restore(&mut rows);
        restored.map_err(|error| self.disk.damaged(error.to_string()))?;
        let disk = self.disk.clone();
        self.applied = off_runtime(move || install(&disk, &image))
            .await
            .map_err(io::Error::other)??;
        self.disk.publish(&self.applied);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<Snapshot<Elected, u64, Node, ImageFile>>> {
        let Some(pointer) = self.disk.image() else {
            return Ok(None);
        };
        Ok(Some(Snapshot {
            meta: pointer.meta()?,
            snapshot: pointer.open(&self.disk.images),
        }))
    }
}

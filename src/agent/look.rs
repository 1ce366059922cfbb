//! One look at the database: its process, the installed file, and its own word. And the sample that the
//! leader gets of it. What a look means is the machine's to say.

use std::sync::Arc;

use tokio::time::timeout;

use super::adapter::{Adapter, HealthSample};
use super::binary::{Digests, room};
use super::boot;
use super::executor::{Places, seen};
use super::files::off_runtime;
use super::machine::{Ledger, Look};
use super::process::{self, Supervised};
use super::readiness::{State, Switch};
use crate::base::duration::Millis;
use crate::fleet::observation::Database;
use crate::fleet::view::Sample;

/// Looks at the database of this host.
#[derive(Clone)]
pub struct Looker {
    pub adapter: Arc<Adapter>,
    pub process: Supervised,
    pub places: Places,
    pub digests: Arc<Digests>,
}

impl Looker {
    /// `patience` is the database's time to answer. An error says nothing about the database: the process
    /// manager or the disk could not be asked.
    pub async fn look(&self, drained: bool, patience: Millis) -> Result<Look, process::Error> {
        let at_ms = boot::now_ms();
        let running = self.process.database().await?;
        let installed = self.installed().await?;
        let word = match &running {
            Some(_) => Some(self.health(patience).await),
            None => None,
        };
        let healthy = word.as_ref().is_some_and(|word| word.healthy);
        Ok(Look {
            at_ms,
            database: Database {
                digest: running.as_ref().map(|running| running.digest),
                installed,
                version: word.as_ref().and_then(|word| word.version.clone()),
                healthy,
                drained,
            },
            process: running.as_ref().map(seen),
            detail: match word {
                Some(word) => (!healthy).then_some(word.detail),
                None => Some("no database runs".to_owned()),
            },
        })
    }

    async fn health(&self, patience: Millis) -> HealthSample {
        let answered = timeout(patience.as_duration(), self.adapter.health()).await;
        answered
            .unwrap_or_else(|_| HealthSample::sick(format!("it did not answer within {patience}")))
    }

    async fn installed(&self) -> Result<Option<crate::base::digest::Digest>, process::Error> {
        let (digests, path) = (self.digests.clone(), self.places.install_path.clone());
        off_runtime(move || match digests.of_path(&path) {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(process::Error::Io(error)),
        })
        .await
    }

    /// What the leader is told each second. `look` is the newest.
    pub async fn sample(&self, ledger: &Ledger, look: &Look, switch: &Switch) -> Sample {
        let Database {
            digest,
            installed: _,
            version,
            healthy,
            drained,
        } = look.database.clone();
        Sample {
            healthy,
            version,
            digest,
            ready: switch.now().state == State::Ready,
            drained,
            safe_to_stop: self.adapter.safe_to_stop().await,
            disk_free_bytes: room(&self.places.artifacts).map_or(0, |room| room.bytes),
            generation: ledger.newest,
            step: ledger.step(),
        }
    }
}

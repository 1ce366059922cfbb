//! The host's work: the executor's lock, the resident parent, and the driver that acts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::Error;
use super::host;
use super::places::Places;
use super::serve::executor_places;
use crate::agent::adapter::Adapter;
use crate::agent::binary::Digests;
use crate::agent::boot::Boot;
use crate::agent::driver::Driver;
use crate::agent::executor::Executor;
use crate::agent::hands::OwnHands;
use crate::agent::ledger_file::LedgerFile;
use crate::agent::link::Link;
use crate::agent::lock::ExecutorLock;
use crate::agent::look::Looker;
use crate::agent::machine::{Host, Ledger};
use crate::agent::process;
use crate::agent::readiness::Switch;
use crate::config::Config;

/// An older action gets this long to end by itself before its process group is ended.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

pub struct Worker<'a> {
    pub config: &'a Config,
    pub config_path: &'a Path,
    pub places: &'a Places,
    pub adapter: Arc<Adapter>,
    pub link: Arc<dyn Link>,
    pub switch: Switch,
    pub ledger: LedgerFile,
    pub host: Ledger,
}

impl Worker<'_> {
    /// Works until `stop` changes or the ledger cannot be written.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), Error> {
        let path = self.places.ledger.join("executor.lock");
        let lock = ExecutorLock::take_or_end(&path, LOCK_PATIENCE)
            .await
            .map_err(Error::Lock)?;
        let process = host::process(self.config, self.config_path).map_err(Error::Host)?;
        match process.ensure_resident().await {
            Ok(_) => {}
            Err(error @ process::Error::ForeignDatabase { .. }) => {
                return Err(Error::Process(error));
            }
            // The next start of the database tries again; the cluster hears of a database that is down.
            Err(error) => tracing::error!(%error, "the database's parent is not there"),
        }
        let places = executor_places(self.config, self.places);
        let executor = Executor {
            adapter: self.adapter.clone(),
            process: process.clone(),
            link: self.link.clone(),
            places: places.clone(),
            lock,
        };
        let looker = Looker {
            adapter: self.adapter,
            process,
            places,
            digests: Arc::new(Digests::default()),
        };
        let hands = OwnHands {
            file: self.ledger,
            executor,
            looker,
        };
        let driver = Driver {
            host: Host::new(self.host),
            hands: hands.shared(),
            link: self.link,
            switch: self.switch,
            boot: Boot::read().map_err(Error::Clock)?,
        };
        driver.run(stop).await.map_err(Error::Files)
    }
}

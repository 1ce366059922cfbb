//! What the driver does to the machine it stands on. Production has one implementation; a test in one
//! process has databases that are plain values. Which of it is done, and when, is the machine's.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::adapter;
use super::executor::Executor;
use super::files::{self, off_runtime};
use super::ledger_file::LedgerFile;
use super::look::Looker;
use super::machine::{Act, Failure, Gave, Ledger, Look};
use super::process;
use super::readiness::Switch;
use crate::base::duration::Millis;
use crate::fleet::view::Sample;

pub trait Hands: Send + Sync + 'static {
    /// The ledger is durable when it returns.
    fn keep(&self, ledger: &Ledger) -> BoxFuture<'_, Result<(), files::Error>>;

    fn run<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, Result<Gave, Failure>>;

    /// An error says nothing about the database: it could not be looked at.
    fn look(&self, drained: bool, patience: Millis) -> BoxFuture<'_, Result<Look, process::Error>>;

    /// What the leader is told. `look` is the newest.
    fn sample<'a>(
        &'a self,
        ledger: &'a Ledger,
        look: &'a Look,
        switch: &'a Switch,
    ) -> BoxFuture<'a, Sample>;

    /// Some databases undo a drain by themselves.
    fn drain_again(&self) -> BoxFuture<'_, Result<(), adapter::Error>>;
}

/// This host: its files, its processes, and its database's own interface.
pub struct OwnHands {
    pub file: LedgerFile,
    pub executor: Executor,
    pub looker: Looker,
}

impl OwnHands {
    pub fn shared(self) -> Arc<dyn Hands> {
        Arc::new(self)
    }
}

impl Hands for OwnHands {
    fn keep(&self, ledger: &Ledger) -> BoxFuture<'_, Result<(), files::Error>> {
        let (file, ledger) = (self.file.clone(), ledger.clone());
        Box::pin(off_runtime(move || file.save(&ledger)))
    }

    fn run<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, Result<Gave, Failure>> {
        Box::pin(self.executor.run(act))
    }

    fn look(&self, drained: bool, patience: Millis) -> BoxFuture<'_, Result<Look, process::Error>> {
        Box::pin(self.looker.look(drained, patience))
    }

    fn sample<'a>(
        &'a self,
        ledger: &'a Ledger,
        look: &'a Look,
        switch: &'a Switch,
    ) -> BoxFuture<'a, Sample> {
        Box::pin(self.looker.sample(ledger, look, switch))
    }

    fn drain_again(&self) -> BoxFuture<'_, Result<(), adapter::Error>> {
        Box::pin(async move {
            let peers = self.executor.link.peers();
            self.looker.adapter.drain(&peers).await
        })
    }
}

//! Runs the machine's acts on this host, one at a time. Each first looks whether it is done already, and
//! then succeeds. Which act comes next, and what follows from its outcome, is the machine's.

mod artifacts;
mod failures;
mod process;
mod traffic;

use crate::base::sabotage::Bug;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::process::seen;
use super::adapter::Adapter;
use super::link::Link;
use super::lock::ExecutorLock;
use super::machine::{Act, Failure, Gave};
use super::process::Supervised;

/// What the acts work with.
pub struct Executor {
    pub adapter: Arc<Adapter>,
    pub process: Supervised,
    pub link: Arc<dyn Link>,
    pub places: Places,
    /// Held as long as this daemon acts; children inherit it.
    pub lock: ExecutorLock,
}

/// Where things lie on this host.
#[derive(Debug, Clone)]
pub struct Places {
    pub install_path: PathBuf,
    /// Staged binaries, by digest.
    pub artifacts: PathBuf,
    /// Kept binaries, by digest.
    pub backups: PathBuf,
}

impl Executor {
    pub async fn run(&self, act: &Act) -> Result<Gave, Failure> {
        if matches!(act, Act::Drain { .. } | Act::WaitDrained { .. }) && Bug::SkipDrain.is_planted()
        {
            return Ok(Gave::Nothing);
        }
        match act {
            Act::Stage {
                target,
                url,
                timeout,
            } => self.stage(target, url, *timeout).await,
            Act::CheckBackup { digest } => self.check_backup(digest).await,
            Act::Drain { timeout } => self.drain(*timeout).await,
            Act::WaitDrained { timeout } => self.wait_drained(*timeout).await,
            Act::Undrain => self.undrain().await,
            Act::Flush { timeout } => self.flush(*timeout).await,
            Act::BackUp { digest, timeout: _ } => self.back_up(digest).await,
            Act::Prepare {
                digest,
                from,
                timeout: _,
            } => self.prepare(digest, *from).await,
            Act::RemovePrepared => self.remove_prepared().await,
            Act::Swap {
                digest,
                not_after_ms,
            } => self.swap(digest, *not_after_ms).await,
            Act::Stop { timeout } => self.stop(*timeout).await,
            Act::Start { digest, timeout } => self.start(digest, *timeout).await,
            Act::AskPeers { timeout } => self.ask_peers(*timeout).await,
        }
    }

    /// Acts that only wait or talk end at once when they are dropped. One that writes files or moves a
    /// process is let come to its end, so that nothing of it goes on behind the machine's back.
    pub const fn ends_early(act: &Act) -> bool {
        match act {
            Act::Drain { .. }
            | Act::WaitDrained { .. }
            | Act::Flush { .. }
            | Act::AskPeers { .. } => true,
            Act::Stage { .. }
            | Act::CheckBackup { .. }
            | Act::Undrain
            | Act::BackUp { .. }
            | Act::Prepare { .. }
            | Act::RemovePrepared
            | Act::Swap { .. }
            | Act::Stop { .. }
            | Act::Start { .. } => false,
        }
    }
}

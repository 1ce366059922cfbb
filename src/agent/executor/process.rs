//! Acts on the database's process.

use aegis_updates_raft::fail_point::fail_point;
use tokio::time::timeout;

use super::Executor;
use super::failures::{of_process, timed_out};
use crate::agent::machine::{Failure, FailureKind, Gave, Process};
use crate::agent::process::Running;
use crate::base::digest::Digest;
use crate::base::duration::Millis;

impl Executor {
    /// The database that runs, if one does.
    pub(super) async fn running(&self) -> Result<Option<Running>, Failure> {
        self.process.database().await.map_err(of_process)
    }

    pub(super) async fn stop(&self, within: Millis) -> Result<Gave, Failure> {
        self.process.ensure_resident().await.map_err(of_process)?;
        fail_point("stop.before");
        self.process
            .stop(within.as_duration())
            .await
            .map_err(of_process)?;
        fail_point("stop.after");
        Ok(Gave::Nothing)
    }

    pub(super) async fn start(&self, digest: &Digest, within: Millis) -> Result<Gave, Failure> {
        fail_point("start.before");
        let started = async {
            self.process.ensure_resident().await?;
            self.process.start(Some(*digest)).await
        };
        let running = timeout(within.as_duration(), started)
            .await
            .map_err(|_| timed_out("starting the database", within))?
            .map_err(of_process)?;
        fail_point("start.after");
        if running.digest != *digest {
            let (found, wanted) = (running.digest.short(), digest.short());
            return Err(Failure::new(
                FailureKind::Lasting,
                format!("the database runs {found}, and {wanted} was to be started"),
            ));
        }
        Ok(Gave::Started {
            process: seen(&running),
            digest: running.digest,
        })
    }
}

/// A supervised database's process, as the machine names it.
pub fn seen(running: &Running) -> Process {
    Process {
        pid: running.life.pid,
        started: running.life.start_ticks,
        kept: true,
    }
}

//! One executor per host. The lock is the kernel's (flock), shared with the children that act, so that
//! nothing new starts before an older action has ended. What the executor does is not known here.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use aegis_updates_raft::fail_point::fail_point;
use serde::{Deserialize, Serialize};

use super::files::{self, at};
use super::process::proc;
use super::session;

#[derive(Debug)]
pub struct ExecutorLock {
    file: File,
    path: PathBuf,
}

#[derive(Debug)]
pub enum Error {
    Io(files::Error),
    /// Another executor, or a child of one that ended, still acts.
    Held {
        path: PathBuf,
    },
}

/// A child that acts, as written beside the lock: enough to find its group after the daemon's death.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Acting {
    leader: u32,
    start_ticks: u64,
}

impl ExecutorLock {
    pub fn take(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(at("open the lock", path))
            .map_err(Error::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                file,
                path: path.to_owned(),
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Held {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(Error::Io(at("take the lock", path)(error))),
        }
    }

    /// Waits for an older action to end by itself; then ends its process group, and waits as long again.
    pub async fn take_or_end(path: &Path, patience: Duration) -> Result<Self, Error> {
        match Self::take_within(path, patience).await {
            Err(Error::Held { .. }) => {
                end_acting(path).map_err(Error::Io)?;
                Self::take_within(path, patience).await
            }
            outcome => outcome,
        }
    }

    async fn take_within(path: &Path, patience: Duration) -> Result<Self, Error> {
        const LAP: Duration = Duration::from_millis(20);
        let end = tokio::time::Instant::now() + patience;
        loop {
            match Self::take(path) {
                // The kernel tells nobody when such a lock is let go without blocking a thread for it.
                Err(Error::Held { .. }) if tokio::time::Instant::now() < end => {
                    tokio::time::sleep(LAP).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// The lock as a child's standard input (it reads as empty): held until the last of both is gone.
    pub fn for_child(&self) -> io::Result<Stdio> {
        self.file.try_clone().map(Stdio::from)
    }

    /// Written before a child of this group may do harm; `None` when it has ended.
    pub fn note_acting(&self, leader: Option<u32>) -> Result<(), files::Error> {
        let note = note_path(&self.path);
        let acting = leader.and_then(|leader| {
            let start_ticks = proc::start_ticks(leader)?;
            Some(Acting {
                leader,
                start_ticks,
            })
        });
        match acting {
            Some(acting) => {
                let bytes = serde_json::to_vec(&acting)
                    .map_err(|error| at("encode", &note)(io::Error::other(error)))?;
                fail_point("lock.acting.before");
                files::write_durably(&note, &bytes, 0o600)?;
                fail_point("lock.acting.after");
                Ok(())
            }
            None => files::remove_durably(&note),
        }
    }
}

fn note_path(lock: &Path) -> PathBuf {
    files::beside(lock, "", ".acting")
}

/// Ends the group that a dead executor noted, if its leader is still the process that was noted.
fn end_acting(lock: &Path) -> Result<(), files::Error> {
    let note = note_path(lock);
    let Some(bytes) = files::read_if_present(&note)? else {
        return Ok(());
    };
    let acting: Acting = serde_json::from_slice(&bytes)
        .map_err(|error| at("understand", &note)(io::Error::other(error)))?;
    if proc::start_ticks(acting.leader) == Some(acting.start_ticks) {
        session::end_group(acting.leader).map_err(at("end the process group noted in", &note))?;
    }
    files::remove_durably(&note)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Held { path } => write!(
                f,
                "{} is held: another daemon, or a program that one started, still acts on this host",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&error.source),
            Self::Held { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::session::ResourceLimits;
    use tokio::process::{Child, Command};

    const LONG: Duration = Duration::from_secs(20);

    async fn acting_child(lock: &ExecutorLock) -> Child {
        let mut command = Command::new("/bin/sleep");
        command.arg("600").stdin(lock.for_child().unwrap());
        session::own_session(&mut command, ResourceLimits::default());
        session::spawn(&mut command).await.unwrap()
    }

    #[tokio::test]
    async fn a_second_executor_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("executor.lock");
        let first = ExecutorLock::take(&path).unwrap();
        assert!(matches!(ExecutorLock::take(&path), Err(Error::Held { .. })));
        drop(first);
        ExecutorLock::take_or_end(&path, LONG).await.unwrap();
    }

    #[tokio::test]
    async fn a_child_that_acts_holds_the_lock_beyond_its_parents_and_can_be_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("executor.lock");
        let first = ExecutorLock::take(&path).unwrap();
        let mut child = acting_child(&first).await;
        first.note_acting(child.id()).unwrap();
        drop(first);
        assert!(matches!(ExecutorLock::take(&path), Err(Error::Held { .. })));
        ExecutorLock::take_or_end(&path, Duration::from_secs(1))
            .await
            .unwrap();
        assert!(!child.wait().await.unwrap().success());
        assert!(!note_path(&path).exists());
    }

    #[tokio::test]
    async fn a_note_about_another_life_of_a_pid_ends_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("executor.lock");
        let first = ExecutorLock::take(&path).unwrap();
        let mut child = acting_child(&first).await;
        let leader = child.id().unwrap();
        let stale = Acting {
            leader,
            start_ticks: proc::start_ticks(leader).unwrap() + 1,
        };
        let bytes = serde_json::to_vec(&stale).unwrap();
        files::write_durably(&note_path(&path), &bytes, 0o600).unwrap();
        end_acting(&path).unwrap();
        assert!(
            child.try_wait().unwrap().is_none(),
            "the stranger still runs"
        );
        child.kill().await.unwrap();
    }
}

//! The process manager `supervised`, the daemon's side: it asks the resident parent, starts one when
//! none answers, and never starts a database itself.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::Instant;

use super::{Error, Running, proc};
use crate::agent::binary::Digests;
use crate::agent::files::{self, at};
use crate::agent::resident::{self, Desired, Life, Outcome, Reply, Request, Settings, Status};
use crate::base::digest::Digest;

/// A status, or a start with the hashing of one binary: far less, on any disk that serves a database.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const STATUS_LIMIT: Duration = Duration::from_secs(2);
const RESIDENT_START_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Supervised {
    settings: Settings,
    /// The database's TCP port on this host.
    port: u16,
    /// Program and arguments of the resident, as in `aegis-updates run-database --config FILE`.
    command: Vec<OsString>,
    digests: Arc<Digests>,
}

impl Supervised {
    /// With the settings that the resident reads from the same configuration.
    pub fn new(settings: Settings, port: u16, command: Vec<OsString>) -> Self {
        Self {
            settings,
            port,
            command,
            digests: Arc::default(),
        }
    }

    /// Finds the resident, or starts one that outlives this process. Its database is not touched.
    pub async fn ensure_resident(&self) -> Result<Status, Error> {
        if let Ok(status) = self.status().await {
            return Ok(status);
        }
        // Before the resident starts what is installed: a stranger on the port is named, not fought.
        self.refuse_stranger(&[]).await?;
        self.spawn_resident().map_err(Error::Io)?;
        let end = Instant::now() + RESIDENT_START_LIMIT;
        loop {
            match self.status().await {
                Err(Error::NoResident { .. }) if Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                outcome => return outcome,
            }
        }
    }

    pub async fn status(&self) -> Result<Status, Error> {
        Ok(self.call(&Request::Status, STATUS_LIMIT).await?.status)
    }

    /// The database that runs, also while its resident is gone.
    pub async fn database(&self) -> Result<Option<Running>, Error> {
        let life = match self.status().await {
            Ok(status) => status.database,
            Err(_) => {
                let settings = self.settings.clone();
                let found = files::off_runtime(move || resident::surviving(&settings));
                found.await.map_err(Error::Io)?
            }
        };
        match life {
            Some(life) => self.look_at(life).await,
            None => Ok(None),
        }
    }

    /// One SIGTERM, then waits for the end. Asked again, it only goes on waiting.
    pub async fn stop(&self, timeout: Duration) -> Result<(), Error> {
        // The resident answers at its deadline by itself; the margin is for a busy host.
        let limit = timeout.saturating_add(ANSWER_LIMIT);
        match self.call(&Request::stop(timeout), limit).await?.outcome {
            Outcome::Done => Ok(()),
            Outcome::StillStopping => Err(Error::StillStopping { timeout }),
            Outcome::NotAllowed { why } => Err(Error::NotAllowed { why }),
            Outcome::StartFailed { why } => Err(Error::StartFailed { why }),
        }
    }

    /// Starts what is installed, if it is what is expected. A database that runs already is the answer.
    pub async fn start(&self, expected: Option<Digest>) -> Result<Running, Error> {
        let reply = self
            .call(&Request::Start { expected }, ANSWER_LIMIT)
            .await?;
        match reply.outcome {
            Outcome::Done => {}
            Outcome::StillStopping => {
                return Err(Error::StillStopping {
                    timeout: Duration::ZERO,
                });
            }
            Outcome::NotAllowed { why } => return Err(Error::NotAllowed { why }),
            Outcome::StartFailed { why } => return Err(Error::StartFailed { why }),
        }
        let ended = || Error::StartFailed {
            why: "it ended at once; its log says why".to_owned(),
        };
        let life = reply.status.database.ok_or_else(ended)?;
        self.look_at(life).await?.ok_or_else(ended)
    }

    /// Ends database and resident, as when the host is given back.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), Error> {
        let limit = timeout.saturating_add(ANSWER_LIMIT);
        match self.call(&Request::shutdown(timeout), limit).await {
            Ok(reply) if reply.outcome == Outcome::StillStopping => {
                Err(Error::StillStopping { timeout })
            }
            Ok(_) => Ok(()),
            // It may end before its answer is through.
            Err(Error::NoResident { source, .. }) if is_hangup(&source) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Refuses when a process that was not started here listens on the database's port.
    pub async fn check_port(&self) -> Result<(), Error> {
        let sessions = match self.status().await {
            Ok(status) => status.sessions,
            Err(_) => Vec::new(),
        };
        self.refuse_stranger(&sessions).await
    }

    /// Whether the resident means the database to be up.
    pub async fn is_desired_up(&self) -> Result<bool, Error> {
        Ok(self.status().await?.desired == Desired::Up)
    }

    /// Established connections to the database: what a drain waits for. Not those of this process: it looks
    /// all the while, and where an answer takes longer than the pause between two looks, there is always one.
    pub async fn connections(&self) -> Result<usize, Error> {
        let port = self.port;
        let counted = files::off_runtime(move || proc::connections(port, std::process::id())).await;
        counted.map_err(|error| Error::Io(at("read", "/proc/net/tcp".as_ref())(error)))
    }

    async fn look_at(&self, life: Life) -> Result<Option<Running>, Error> {
        let digests = Arc::clone(&self.digests);
        files::off_runtime(move || {
            let executable = proc::open_executable(life.pid);
            let digest = executable.and_then(|file| digests.of_file(&file));
            match digest {
                // Its end, and even a stranger under its pid, may come between two looks.
                _ if !life.is_running() => Ok(None),
                Ok(digest) => Ok(Some(Running { life, digest })),
                Err(error) => {
                    let path = PathBuf::from(format!("/proc/{}/exe", life.pid));
                    Err(Error::Io(at("read", &path)(error)))
                }
            }
        })
        .await
    }

    async fn refuse_stranger(&self, sessions: &[u32]) -> Result<(), Error> {
        let (port, settings, sessions) = (self.port, self.settings.clone(), sessions.to_vec());
        files::off_runtime(move || {
            let listening = proc::listening(port)
                .map_err(|error| Error::Io(at("read", "/proc/net/tcp".as_ref())(error)))?;
            if listening.sockets == 0 {
                return Ok(());
            }
            let survivor = resident::surviving(&settings).map_err(Error::Io)?;
            let ours = listening.pid.is_some_and(|pid| {
                let session = proc::session(pid);
                survivor.is_some_and(|life| life.pid == pid || session == Some(life.pid))
                    || session.is_some_and(|session| sessions.contains(&session))
            });
            if ours {
                return Ok(());
            }
            Err(Error::ForeignDatabase {
                port,
                pid: listening.pid,
                executable: listening.pid.and_then(proc::executable_path),
            })
        })
        .await
    }

    fn spawn_resident(&self) -> Result<(), files::Error> {
        let path = self.settings.data_dir.join("resident.log");
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(at("open the log", &path))?;
        let [program, arguments @ ..] = self.command.as_slice() else {
            let nothing = io::Error::other("no command is configured");
            return Err(at("start a resident in", &self.settings.data_dir)(nothing));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(at("share", &path))?)
            .stderr(log)
            .kill_on_drop(false);
        // Dropped, not awaited: the runtime reaps it if it ends before this process does.
        command
            .spawn()
            .map(drop)
            .map_err(at("start", program.as_ref()))
    }

    async fn call(&self, request: &Request, limit: Duration) -> Result<Reply, Error> {
        resident::call(&self.settings.data_dir, request, limit)
            .await
            .map_err(|source| Error::NoResident {
                data_dir: self.settings.data_dir.clone(),
                source,
            })
    }
}

fn is_hangup(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

//! The database's process as its parent has it: started, or found running and watched from aside.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::log;
use super::memory::Life;
use super::settings::Settings;
use super::wire::Exit;
use crate::agent::files::{Error, at};
use crate::agent::process::proc;
use crate::agent::session;

/// A restart after a crash waits half a second anyway.
const FOUND_LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub struct Database {
    pub life: Life,
    /// SIGTERM is sent once in a life: a second could cut the save short.
    pub stopping: bool,
    since: Instant,
    /// Signals through it cannot reach another process that got the pid later.
    handle: OwnedFd,
    /// Absent when an earlier resident was its parent: then nobody learns its exit status.
    child: Option<Child>,
}

impl Database {
    pub async fn start(settings: &Settings) -> Result<Self, Error> {
        let failed = |doing| at(doing, &settings.install_path);
        let log = log::open(&settings.log)?;
        let mut command = Command::new(&settings.install_path);
        command
            .args(&settings.arguments)
            .env_clear()
            .envs(&settings.environment)
            .current_dir(&settings.working_dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed("share the log with"))?)
            .stderr(log)
            .kill_on_drop(false);
        if let Some(owner) = settings.owner {
            command.uid(owner.user).gid(owner.group);
        }
        session::own_session(&mut command, settings.limits);
        let child = session::spawn(&mut command)
            .await
            .map_err(failed("start"))?;
        Self::of_child(child).map_err(failed("watch"))
    }

    /// A child that nobody has waited for keeps its pid and its start time, dead or alive.
    fn of_child(child: Child) -> io::Result<Self> {
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        let start_ticks = proc::start_ticks_also_when_ended(pid).ok_or(io::ErrorKind::NotFound)?;
        let mut database = Self::with_handle(Life { pid, start_ticks })?;
        database.child = Some(child);
        Ok(database)
    }

    /// A database that runs already.
    pub fn watch(life: Life) -> io::Result<Self> {
        let database = Self::with_handle(life)?;
        // The handle is of this life only if the pid was not used again before it was opened.
        if life.is_running() {
            Ok(database)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn with_handle(life: Life) -> io::Result<Self> {
        let pid = i32::try_from(life.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Self {
            life,
            stopping: false,
            since: Instant::now(),
            handle,
            child: None,
        })
    }

    /// Waits for its end. May be dropped and called again.
    pub async fn ended(&mut self) -> Exit {
        let status = match &mut self.child {
            Some(child) => child.wait().await.ok(),
            None => {
                // Only a parent is told; who found it running has to look.
                while self.life.is_running() {
                    tokio::time::sleep(FOUND_LOOK_INTERVAL).await;
                }
                None
            }
        };
        use std::os::unix::process::ExitStatusExt;
        Exit {
            life: self.life,
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            lived_ms: u64::try_from(self.lived().as_millis()).unwrap_or(u64::MAX),
            asked: self.stopping,
        }
    }

    /// Since its start, or since it was found.
    pub fn lived(&self) -> Duration {
        Instant::now() - self.since
    }

    /// One SIGTERM in a life.
    pub fn terminate(&mut self) -> io::Result<()> {
        if self.stopping {
            return Ok(());
        }
        self.stopping = true;
        self.signal(Signal::TERM)
    }

    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.handle, signal) {
            // It has ended meanwhile, which is what every signal of ours wants.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

//! The resident parent of a supervised database (`run-database`): a small process that starts the
//! database, writes down how it ended, starts it again, and outlives the daemon that started it.
//! It knows no cluster and judges no health: alive is enough for it.

mod backoff;
mod child;
mod keeper;
mod log;
mod memory;
mod settings;
mod socket;
mod wire;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

pub use memory::{Life, write_allowed};
pub use settings::{Owner, Settings};
pub use wire::{Desired, Exit, Outcome, Reply, Request, Status};

pub(in crate::agent) use memory::surviving;
pub(in crate::agent) use socket::call;

use super::files::{self, at};

#[derive(Debug)]
pub enum Error {
    Io(files::Error),
    /// Another resident serves this data directory.
    AlreadyRunning,
}

/// Runs until it is told to shut down, by its socket or by SIGTERM; the database is stopped first.
pub async fn run(settings: Settings) -> Result<(), Error> {
    // A service manager or a shell may have made this process a leader already; that serves as well.
    let _ = rustix::process::setsid();
    let signals = |kind| {
        signal(kind).map_err(|error| Error::Io(at("listen for signals in", Path::new("/"))(error)))
    };
    // Listening is what keeps a hangup from ending this process; nobody reads it.
    let _hangup = signals(SignalKind::hangup())?;
    let mut terminate = signals(SignalKind::terminate())?;
    let mut interrupt = signals(SignalKind::interrupt())?;
    let _lock = lock(&settings.data_dir)?;
    let listener = socket::listen(&settings.data_dir).map_err(Error::Io)?;
    let (commands, inbox) = tokio::sync::mpsc::channel(16);
    let server = tokio::spawn(socket::serve(listener, commands.clone()));
    let stop_timeout = settings.stop_timeout;
    let signalled = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        socket::ask(&commands, Request::shutdown(stop_timeout)).await;
    };
    let keeper = keeper::Keeper::begin(settings).await.map_err(Error::Io)?;
    let signalled = tokio::spawn(signalled);
    let ended = keeper.run(inbox).await.map_err(Error::Io);
    signalled.abort();
    server.abort();
    ended
}

fn lock(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join("resident.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(at("open the lock", &path))
        .map_err(Error::Io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::AlreadyRunning),
        Err(TryLockError::Error(error)) => Err(Error::Io(at("take the lock", &path)(error))),
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::AlreadyRunning => {
                f.write_str("another run-database process serves this data directory already")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&error.source),
            Self::AlreadyRunning => None,
        }
    }
}

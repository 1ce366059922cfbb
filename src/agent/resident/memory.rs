//! What the resident writes down, so that a resident that starts after it goes on: the database's
//! process, whether it is to be up, and (written by the daemon) which binaries may be started.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::wire::Desired;
use crate::agent::files::{self, Error, at};
use crate::agent::process::proc;
use crate::base::digest::Digest;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Enough to recognise what the last few databases left running.
const SESSIONS_MAX: usize = 8;

/// One life of one process; a pid alone may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    pub pid: u32,
    /// In clock ticks since boot.
    pub start_ticks: u64,
}

impl Life {
    /// `None`: no such process runs.
    pub fn of(pid: u32) -> Option<Self> {
        let start_ticks = proc::start_ticks(pid)?;
        Some(Self { pid, start_ticks })
    }

    pub fn is_running(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    life: Option<Life>,
    sessions: Vec<u32>,
    boot: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wish {
    desired: Desired,
    boot: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Allowed {
    digests: Vec<Digest>,
}

pub struct Memory {
    data_dir: PathBuf,
    boot: String,
    pub sessions: Vec<u32>,
}

impl Memory {
    /// What an earlier resident left, and the database that it left running. Another boot's is void.
    pub fn recall(settings: &Settings) -> Result<(Self, Option<Life>, Desired), Error> {
        let data_dir = settings.data_dir.clone();
        let boot = boot_id()?;
        let recorded: Option<Recorded> = read(&record_path(&data_dir))?;
        let recorded = recorded.filter(|recorded| recorded.boot == boot);
        let wish: Option<Wish> = read(&data_dir.join("desired.json"))?;
        // A reboot starts the database; whether it should be down after all is the daemon's to say.
        let desired = match wish {
            Some(wish) if wish.boot == boot => wish.desired,
            _ => Desired::Up,
        };
        let sessions = recorded
            .as_ref()
            .map_or_else(Vec::new, |recorded| recorded.sessions.clone());
        let life = surviving(settings)?;
        let memory = Self {
            data_dir,
            boot,
            sessions,
        };
        Ok((memory, life, desired))
    }

    pub fn database_is(&mut self, life: Option<Life>) -> Result<(), Error> {
        if let Some(life) = life {
            self.sessions.retain(|session| *session != life.pid);
            self.sessions.push(life.pid);
            let surplus = self.sessions.len().saturating_sub(SESSIONS_MAX);
            self.sessions.drain(..surplus);
        }
        let recorded = Recorded {
            life,
            sessions: self.sessions.clone(),
            boot: self.boot.clone(),
        };
        write(&record_path(&self.data_dir), &recorded)
    }

    pub fn desire(&self, desired: Desired) -> Result<(), Error> {
        let wish = Wish {
            desired,
            boot: self.boot.clone(),
        };
        write(&self.data_dir.join("desired.json"), &wish)
    }

    /// `None`: no daemon ever said, and whatever is installed may run.
    pub fn allowed(&self) -> Result<Option<Vec<Digest>>, Error> {
        let allowed: Option<Allowed> = read(&allowed_path(&self.data_dir))?;
        Ok(allowed.map(|allowed| allowed.digests))
    }
}

/// The daemon's list of binaries that may be started without it: target and rollback target. Blocking.
pub fn write_allowed(data_dir: &Path, digests: &[Digest]) -> Result<(), Error> {
    let allowed = Allowed {
        digests: digests.to_vec(),
    };
    write(&allowed_path(data_dir), &allowed)
}

/// The database that an earlier resident started and that still runs, whether or not it left a record.
pub fn surviving(settings: &Settings) -> Result<Option<Life>, Error> {
    let recorded: Option<Recorded> = read(&record_path(&settings.data_dir))?;
    let boot = boot_id()?;
    let recorded = recorded.filter(|recorded| recorded.boot == boot);
    match recorded.and_then(|recorded| recorded.life) {
        Some(life) if life.is_running() => Ok(Some(life)),
        _ => find(settings).map_err(at("look for processes in", Path::new("/proc"))),
    }
}

/// A database whose record was lost: the same program with the same arguments, which name its data.
fn find(settings: &Settings) -> io::Result<Option<Life>> {
    let installed = settings.install_path.canonicalize();
    let installed = installed.unwrap_or_else(|_| settings.install_path.clone());
    let ours = |pid: &u32| {
        let same_program = proc::executable_path(*pid).is_some_and(|path| path == installed);
        let words = || proc::command_line(*pid);
        same_program
            && words().is_some_and(|words| words.get(1..) == Some(settings.arguments.as_slice()))
    };
    Ok(proc::processes()?.into_iter().find(ours).and_then(Life::of))
}

fn record_path(data_dir: &Path) -> PathBuf {
    data_dir.join("database.json")
}

fn allowed_path(data_dir: &Path) -> PathBuf {
    data_dir.join("allowed.json")
}

fn boot_id() -> Result<String, Error> {
    let path = Path::new(BOOT_ID);
    let text = std::fs::read_to_string(path).map_err(at("read", path))?;
    Ok(text.trim().to_owned())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let Some(bytes) = files::read_if_present(path)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| at("understand", path)(io::Error::other(error)))
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let bytes =
        serde_json::to_vec(value).map_err(|error| at("encode", path)(io::Error::other(error)))?;
    files::write_durably(path, &bytes, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(directory: &Path) -> Settings {
        Settings::new(directory.to_owned(), directory.join("database"), Vec::new())
    }

    #[test]
    fn a_wish_outlives_the_resident_but_no_reboot() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path());
        let (mut memory, life, desired) = Memory::recall(&settings).unwrap();
        assert_eq!((life, desired), (None, Desired::Up));
        memory.desire(Desired::Down).unwrap();
        memory.database_is(Life::of(std::process::id())).unwrap();
        let (mut memory, life, desired) = Memory::recall(&settings).unwrap();
        assert_eq!(
            (life, desired),
            (Life::of(std::process::id()), Desired::Down)
        );
        assert_eq!(surviving(&settings).unwrap(), life);
        memory.boot = "an earlier boot".to_owned();
        memory.desire(Desired::Down).unwrap();
        memory.database_is(life).unwrap();
        let (memory, life, desired) = Memory::recall(&settings).unwrap();
        assert_eq!(
            (life, desired, memory.sessions.len()),
            (None, Desired::Up, 0)
        );
    }

    #[test]
    fn a_pid_used_again_is_not_the_database() {
        let own = Life::of(std::process::id()).unwrap();
        assert!(own.is_running());
        let earlier = Life {
            start_ticks: own.start_ticks - 1,
            ..own
        };
        assert!(!earlier.is_running());
    }

    #[test]
    fn no_list_allows_everything_and_a_damaged_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, ..) = Memory::recall(&settings(directory.path())).unwrap();
        assert_eq!(memory.allowed().unwrap(), None);
        let digest = Digest::of(b"release");
        write_allowed(directory.path(), &[digest]).unwrap();
        assert_eq!(memory.allowed().unwrap(), Some(vec![digest]));
        std::fs::write(allowed_path(directory.path()), b"{").unwrap();
        assert!(memory.allowed().is_err());
    }
}

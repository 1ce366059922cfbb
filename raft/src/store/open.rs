//! Opening a store: whose it is, which format it has, what a crash left half done.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::clock::{HostClock, SystemClock};
use super::columns::{self, key};
use super::database::Database;
use super::disk::Disk;
use super::identity::{Identity, OpenError, Presence};
use super::image::{self, Inbox};
use super::log::LogStore;
use super::state::StateMachine;
use crate::application::Application;
use crate::fail_point::fail_point;
use crate::fatal::Fatal;
use crate::ground::rocks::WriteBatch;

/// The layout of columns and rows that this version writes and reads. Raised only together with a
/// cluster-wide switch, because an older daemon refuses what a newer one wrote.
const FORMAT: u32 = 1;
/// The same number beside the database: an older version may not even be able to open a newer one's columns.
const FORMAT_FILE: &str = "format";
const DATABASE: &str = "db";
const IMAGES: &str = "images";

/// An open store that no member runs on yet.
pub struct Store {
    pub(crate) disk: Arc<Disk>,
}

impl Store {
    /// Opens `dir` for `identity`, ends an image installation that a crash cut short, and checks format
    /// and owner. The directory is made where it may be new.
    pub fn open(
        dir: &Path,
        identity: Identity,
        presence: Presence,
        fatal: Fatal,
    ) -> Result<Self, OpenError> {
        let clock = SystemClock::new().map_err(|error| unreadable(dir, error))?;
        Self::open_with_clock(dir, identity, presence, fatal, clock)
    }

    /// As [`Store::open`], with clocks of the caller's.
    pub fn open_with_clock(
        dir: &Path,
        identity: Identity,
        presence: Presence,
        fatal: Fatal,
        clock: impl HostClock,
    ) -> Result<Self, OpenError> {
        let begun = check_format_file(dir)?;
        if presence == Presence::MustExist && !begun {
            return Err(OpenError::Empty {
                dir: dir.to_owned(),
                expected: identity,
            });
        }
        prepare_directories(dir).map_err(|error| unreadable(dir, error))?;
        let create = presence == Presence::MayBeNew;
        let db =
            columns::open(&dir.join(DATABASE), create).map_err(|error| unreadable(dir, error))?;
        let database = Database::new(db, fatal);
        check_owner(dir, &database, &identity, presence)?;
        if !begun {
            write_format_file(dir).map_err(|error| unreadable(dir, error))?;
        }
        let images = dir.join(IMAGES);
        let disk = Disk::load(database, Arc::new(clock), identity, dir, &images)?;
        image::resume(&disk)
            .and_then(|()| image::sweep(&disk))
            .map_err(|error| unreadable(dir, error))?;
        Ok(Self {
            disk: Arc::new(disk),
        })
    }

    pub fn identity(&self) -> &Identity {
        &self.disk.identity
    }

    pub(crate) fn log(&self) -> LogStore {
        LogStore(self.disk.clone())
    }

    pub(crate) fn inbox(&self) -> Inbox {
        Inbox::new(self.disk.clone())
    }

    /// Restores `application` from what is on disk.
    pub(crate) fn state_machine(&self, application: impl Application) -> io::Result<StateMachine> {
        StateMachine::open(self.disk.clone(), application)
    }
}

/// True when the directory holds a store that this version may read.
fn check_format_file(dir: &Path) -> Result<bool, OpenError> {
    let text = match fs::read_to_string(dir.join(FORMAT_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unreadable(dir, error)),
    };
    let found = text
        .trim()
        .parse()
        .map_err(|_| unreadable(dir, format!("its format file says {text:?}")))?;
    check_format(dir, found)?;
    Ok(true)
}

fn check_format(dir: &Path, found: u32) -> Result<(), OpenError> {
    if found > FORMAT {
        return Err(OpenError::NewerFormat {
            dir: dir.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    Ok(())
}

/// Compares format and owner with what is stored, and writes them into a new store.
fn check_owner(
    dir: &Path,
    database: &Database,
    expected: &Identity,
    presence: Presence,
) -> Result<(), OpenError> {
    let format = database
        .meta::<u32>(key::FORMAT)
        .map_err(|error| unreadable(dir, error))?;
    let found = database
        .meta::<Identity>(key::IDENTITY)
        .map_err(|error| unreadable(dir, error))?;
    match (format, found) {
        (Some(format), Some(found)) => {
            check_format(dir, format)?;
            if found != *expected {
                return Err(OpenError::Foreign {
                    dir: dir.to_owned(),
                    expected: expected.clone(),
                    found,
                });
            }
            Ok(())
        }
        _ if presence == Presence::MustExist => Err(OpenError::Empty {
            dir: dir.to_owned(),
            expected: expected.clone(),
        }),
        _ => mark(database, expected).map_err(|error| unreadable(dir, error)),
    }
}

fn mark(database: &Database, identity: &Identity) -> io::Result<()> {
    let mut batch = WriteBatch::default();
    database.put_meta(&mut batch, key::FORMAT, &FORMAT)?;
    database.put_meta(&mut batch, key::IDENTITY, identity)?;
    fail_point("store.owner.before");
    database.write(batch)?;
    database.sync()?;
    fail_point("store.owner.synced");
    Ok(())
}

fn prepare_directories(dir: &Path) -> io::Result<()> {
    for made in [dir.to_owned(), dir.join(DATABASE), dir.join(IMAGES)] {
        DirBuilder::new().recursive(true).mode(0o700).create(made)?;
    }
    Ok(())
}

/// Written last, so that its presence means that the store was made as a whole.
fn write_format_file(dir: &Path) -> io::Result<()> {
    let aside = dir.join("format.new");
    let mut file = File::create(&aside)?;
    writeln!(file, "{FORMAT}")?;
    file.sync_all()?;
    fail_point("store.format.before");
    fs::rename(&aside, dir.join(FORMAT_FILE))?;
    fail_point("store.format.renamed");
    File::open(dir)?.sync_all()?;
    let parent: PathBuf = dir
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    File::open(parent)?.sync_all()
}

fn unreadable(dir: &Path, reason: impl ToString) -> OpenError {
    OpenError::Unreadable {
        dir: dir.to_owned(),
        reason: reason.to_string(),
    }
}

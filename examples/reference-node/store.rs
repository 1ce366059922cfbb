//! The data on disk: one append log, synced before a write is acknowledged, replayed at start,
//! compacted at a clean stop. No HTTP here.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

use rustix::fs::{FlockOperation, flock};
use tokio::sync::oneshot;

use crate::record::{self, Entries, Entry, Record};
use crate::say::say;

/// The format of a sound release, and the one that a release with `changes-format` writes.
pub const FORMAT: u32 = 1;
pub const FORMAT_CHANGED: u32 = 2;

/// Exit status after a failed write or sync: memory and disk may differ, only a restart is honest.
const EXIT_IO: i32 = 74;

/// How many writes share one sync at most: a bound on the delay of the first of them.
const BATCH_MAX: usize = 256;

type Job = (Record, oneshot::Sender<()>);

pub struct Store {
    directory: PathBuf,
    format: u32,
    entries: Arc<RwLock<Entries>>,
    jobs: mpsc::Sender<Job>,
    writer: JoinHandle<()>,
    /// Held as long as the store lives: two processes never share a data directory.
    _lock: File,
}

impl Store {
    /// Opens or creates the data in `directory`, reading formats up to `format` and writing `format`.
    pub fn open(directory: &Path, format: u32) -> Result<Self, String> {
        let lock = lock(directory)?;
        let path = directory.join("data.log");
        let entries = match fs::read(&path) {
            Ok(bytes) => load(&path, &bytes, format)?,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Entries::new(),
            Err(source) => return Err(format!("cannot read {}: {source}", path.display())),
        };
        if !path.exists() || format_on_disk(&path)? != format {
            compact(directory, format, &entries)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|source| format!("cannot open {} for appending: {source}", path.display()))?;
        let entries = Arc::new(RwLock::new(entries));
        let (jobs, queue) = mpsc::channel();
        let applied = Arc::clone(&entries);
        let writer = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || write_loop(file, &queue, &applied))
            .map_err(|source| format!("cannot start the writer thread: {source}"))?;
        Ok(Self {
            directory: directory.to_owned(),
            format,
            entries,
            jobs,
            writer,
            _lock: lock,
        })
    }

    pub fn get(&self, key: &str) -> Option<Entry> {
        self.read().get(key).cloned()
    }

    pub fn list(&self, prefix: &str, limit: usize) -> Vec<Entry> {
        let entries = self.read();
        entries
            .values()
            .filter(|entry| entry.key.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }

    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Returns when the record is on disk and readable.
    pub async fn write(&self, record: Record) -> Result<(), String> {
        let (done, written) = oneshot::channel();
        let gone = || "the writer has stopped".to_owned();
        self.jobs.send((record, done)).map_err(|_| gone())?;
        written.await.map_err(|_| gone())
    }

    /// Copies the present data into a new directory below `backups/`; returns its name and size.
    pub fn back_up(&self, name: &str) -> Result<u64, String> {
        let directory = self.directory.join("backups").join(name);
        fs::create_dir_all(&directory)
            .map_err(|source| format!("cannot create {}: {source}", directory.display()))?;
        let entries = self.read().clone();
        compact(&directory, self.format, &entries)?;
        let path = directory.join("data.log");
        let metadata = fs::metadata(&path)
            .map_err(|source| format!("cannot look at {}: {source}", path.display()))?;
        Ok(metadata.len())
    }

    /// Ends the writer after what it has in hand, then leaves one record per key on disk.
    pub fn close(self) -> Result<(), String> {
        drop(self.jobs);
        self.writer
            .join()
            .map_err(|_| "the writer thread panicked".to_owned())?;
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        compact(&self.directory, self.format, &entries)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(directory: &Path) -> Result<File, String> {
    fs::create_dir_all(directory)
        .map_err(|source| format!("cannot create {}: {source}", directory.display()))?;
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|source| format!("cannot open {}: {source}", path.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|source| {
        format!(
            "{} is in use by another process ({source})",
            directory.display()
        )
    })?;
    Ok(file)
}

fn load(path: &Path, bytes: &[u8], format: u32) -> Result<Entries, String> {
    let at = |what: String| format!("cannot open {}: {what}", path.display());
    let found = record::format_of(bytes).map_err(at)?;
    if found > format {
        return Err(at(format!(
            "it has format {found}, this release reads up to format {format}"
        )));
    }
    let content = record::replay(bytes).map_err(at)?;
    if content.good_len < bytes.len() {
        say(&format!(
            "{}: cutting off a torn tail of {} bytes",
            path.display(),
            bytes.len() - content.good_len
        ));
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(|source| at(source.to_string()))?;
        file.set_len(content.good_len as u64)
            .map_err(|source| at(source.to_string()))?;
        file.sync_all().map_err(|source| at(source.to_string()))?;
    }
    Ok(content.entries)
}

fn format_on_disk(path: &Path) -> Result<u32, String> {
    let bytes =
        fs::read(path).map_err(|source| format!("cannot read {}: {source}", path.display()))?;
    record::format_of(&bytes)
}

/// Writes `entries` beside the data file, syncs, and renames over it.
fn compact(directory: &Path, format: u32, entries: &Entries) -> Result<(), String> {
    let path = directory.join("data.log");
    let aside = directory.join("data.log.new");
    let mut bytes = record::header(format).into_bytes();
    for entry in entries.values() {
        bytes.extend(record::encode(&Record::Set(entry.clone()))?);
    }
    let result = (|| {
        let mut file = File::create(&aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        File::open(directory)?.sync_all()
    })();
    result.map_err(|source: std::io::Error| format!("cannot save {}: {source}", path.display()))
}

fn write_loop(mut file: File, queue: &mpsc::Receiver<Job>, entries: &RwLock<Entries>) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        let written = batch
            .iter()
            .try_fold(Vec::new(), |mut bytes, (record, _)| {
                bytes.extend(record::encode(record)?);
                Ok(bytes)
            })
            .and_then(|bytes: Vec<u8>| file.write_all(&bytes).map_err(|source| source.to_string()))
            .and_then(|()| file.sync_data().map_err(|source| source.to_string()));
        if let Err(what) = written {
            say(&format!(
                "the data file cannot be written: {what}; stopping"
            ));
            std::process::exit(EXIT_IO);
        }
        let mut entries = entries.write().unwrap_or_else(PoisonError::into_inner);
        for (record, done) in batch {
            record.apply(&mut entries);
            // The client may have gone away; its write is on disk all the same.
            let _ = done.send(());
        }
    }
}

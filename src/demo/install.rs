//! Looks at every install path from outside, often: which bytes lie there, and with which mode and owner.
//! Only what differs from the look before is recorded.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::clock::Clock;
use super::process;
use super::tape::InstallPath;

const EVERY: Duration = Duration::from_millis(10);

/// A running watch; it ends, and gives what it saw, by `finish`.
#[derive(Debug)]
pub struct Install {
    stop: Sender<()>,
    looking: thread::JoinHandle<Vec<InstallPath>>,
}

/// What makes a second look at the bytes needless.
type Stamp = (u64, u64, i64, i64, u32, u32, u32);

impl Install {
    pub fn start(paths: Vec<(String, PathBuf)>, clock: Clock) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let looking = thread::Builder::new()
            .name("install-paths".to_owned())
            .spawn(move || run(&paths, clock, &stopped))?;
        Ok(Self { stop, looking })
    }

    pub fn finish(self) -> Vec<InstallPath> {
        drop(self.stop);
        // A panic of the thread leaves nothing; the rule on install paths then finds no look.
        self.looking.join().unwrap_or_default()
    }
}

fn run(paths: &[(String, PathBuf)], clock: Clock, stopped: &Receiver<()>) -> Vec<InstallPath> {
    let mut seen = Vec::new();
    let mut stamps: Vec<Option<Option<Stamp>>> = vec![None; paths.len()];
    loop {
        for ((database, path), last) in paths.iter().zip(&mut stamps) {
            let (stamp, file) = look(path);
            if *last == Some(stamp) {
                continue;
            }
            *last = Some(stamp);
            let at_ms = clock.now_ms();
            let (.., mode, owner, group) = stamp.unwrap_or_default();
            seen.push(InstallPath {
                at_ms,
                database: database.clone(),
                sha256: file.and_then(|file| process::digest(file).ok()),
                mode,
                owner,
                group,
            });
        }
        if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            return seen;
        }
    }
}

/// Of the open file, so that stamp and bytes are of the same one.
fn look(path: &Path) -> (Option<Stamp>, Option<File>) {
    let Ok(file) = File::open(path) else {
        return (None, None);
    };
    let Ok(of) = file.metadata() else {
        return (None, None);
    };
    let stamp = (
        of.ino(),
        of.len(),
        of.mtime(),
        of.mtime_nsec(),
        of.mode(),
        of.uid(),
        of.gid(),
    );
    (Some(stamp), Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_at_the_path_is_seen_with_its_bytes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("database");
        std::fs::write(&path, "old").unwrap();
        let (_, first) = look(&path);
        let aside = place.path().join("aside");
        std::fs::write(&aside, "new").unwrap();
        let (before, _) = look(&path);
        std::fs::rename(&aside, &path).unwrap();
        let (after, second) = look(&path);
        assert_ne!(before, after);
        assert_ne!(
            process::digest(first.unwrap()).unwrap(),
            process::digest(second.unwrap()).unwrap()
        );
        std::fs::remove_file(&path).unwrap();
        assert!(look(&path).0.is_none());
    }
}

//! What `/proc` says about database processes: which they are, since when they run, and the bytes of
//! the executable that they run. Read-only, and blocking: for a thread of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A new process shows its parent's command line until it executes its own file; that takes far less.
const SETTLED_AFTER_MS: u64 = 1_000;

/// The verb of the resident parent of a supervised database: its command line may repeat the child's.
const PARENT_VERB: &str = "run-database";

/// One life of a process: a pid alone may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    pub pid: u32,
    /// In clock ticks since boot.
    pub start_ticks: u64,
}

/// Finds the processes that run on given data directories.
#[derive(Debug)]
pub struct Scanner {
    data_dirs: Vec<PathBuf>,
    /// Pids that are known to run on no watched directory, or not known yet, by first sight.
    strangers: BTreeMap<u32, u64>,
}

impl Scanner {
    pub fn new(data_dirs: Vec<PathBuf>) -> Self {
        Self {
            data_dirs,
            strangers: BTreeMap::new(),
        }
    }

    /// Every process on a watched directory, with the directory's index. Costs a directory listing,
    /// and one small read for each process that is new.
    pub fn scan(&mut self, now_ms: u64) -> io::Result<Vec<(usize, Life)>> {
        let mut found = Vec::new();
        let mut strangers = BTreeMap::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let first_seen_ms = self.strangers.get(&pid).copied().unwrap_or(now_ms);
            if self.strangers.contains_key(&pid)
                && now_ms.saturating_sub(first_seen_ms) > SETTLED_AFTER_MS
            {
                strangers.insert(pid, first_seen_ms);
                continue;
            }
            match (self.directory_of(pid), life(pid)) {
                (Some(index), Some(life)) => found.push((index, life)),
                _ => {
                    strangers.insert(pid, first_seen_ms);
                }
            }
        }
        self.strangers = strangers;
        Ok(found)
    }

    fn directory_of(&self, pid: u32) -> Option<usize> {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let arguments: Vec<&str> = text.split('\0').collect();
        self.data_dirs
            .iter()
            .position(|data_dir| runs_on(&arguments, data_dir))
    }
}

/// The present life of a pid; `None` when it is gone or dead and only not yet waited for.
pub fn life(pid: u32) -> Option<Life> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows the last one are plain fields.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    // proc(5): the state is field 3, the start time is field 22.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Life { pid, start_ticks })
}

/// The start of a process in microseconds since boot; exact to one clock tick, 10 ms on Linux.
pub fn start_boot_us(life: Life) -> u64 {
    life.start_ticks * 1_000_000 / rustix::param::clock_ticks_per_second()
}

/// Opens the file that a process runs, also when its path was replaced or removed since.
pub fn open_executable(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/exe"))
}

/// SHA-256 in hex of everything in `file`.
pub fn digest(mut file: File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}

fn runs_on(arguments: &[&str], data_dir: &Path) -> bool {
    let is_dir = |text: &str| Path::new(text) == data_dir;
    let named = arguments.windows(2).any(|pair| {
        matches!(pair, [flag, value] if matches!(*flag, "-d" | "--data-dir") && is_dir(value))
    });
    let joined = || {
        arguments
            .iter()
            .any(|argument| argument.strip_prefix("--data-dir=").is_some_and(is_dir))
    };
    (named || joined()) && arguments.get(1) != Some(&PARENT_VERB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_names_its_data_directory() {
        let dir = Path::new("/data/n1");
        assert!(runs_on(&["node", "-p", "1", "-d", "/data/n1"], dir));
        assert!(runs_on(
            &["node", "--data-dir", "/data/n1", "--port", "1"],
            dir
        ));
        assert!(runs_on(&["node", "--data-dir=/data/n1"], dir));
        assert!(!runs_on(&["node", "--data-dir", "/data/n10"], dir));
        assert!(!runs_on(&["node", "--config", "/data/n1"], dir));
        assert!(!runs_on(
            &[
                "aegis-updates",
                "run-database",
                "--",
                "node",
                "-d",
                "/data/n1"
            ],
            dir
        ));
    }

    #[test]
    fn this_process_has_a_life_and_a_digest() {
        let pid = std::process::id();
        let life = life(pid).expect("this process is alive");
        assert!(start_boot_us(life) > 0);
        let own =
            digest(open_executable(pid).expect("its executable can be read")).expect("and hashed");
        let file = File::open(std::env::current_exe().expect("it has a path"))
            .expect("which can be opened");
        assert_eq!(own, digest(file).expect("and hashed"));
    }

    #[test]
    fn a_dead_child_that_nobody_waited_for_has_no_life() {
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("`true` runs");
        let mut looks = 0_u64;
        while life(child.id()).is_some() {
            looks += 1;
            assert!(looks < 10_000_000, "`true` does not end");
            std::thread::yield_now();
        }
        child.wait().expect("it can be waited for");
    }
}

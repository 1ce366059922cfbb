//! The end of every process that the demo caused: also residents and databases, which outlive their
//! daemons on purpose. They are found by the demo's own directory, which is in everybody's command
//! line, executable or working directory, and in nobody else's.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// A resident may start one more database between a look and its end; a few laps always suffice.
const LAPS_MAX: u32 = 100;

/// Ends everything below `root` with SIGKILL, and returns when `/proc` shows nothing of it any more.
pub fn end_all_below(root: &Path) {
    for _ in 0..LAPS_MAX {
        let found = processes_below(root);
        if found.is_empty() {
            return;
        }
        for pid in found {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // Gone already is as good.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::yield_now();
    }
}

/// Living processes that run on `root`, this one excepted.
pub fn processes_below(root: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && is_below(*pid, root))
        .collect()
}

fn is_below(pid: u32, root: &Path) -> bool {
    let alive = super::super::process::life(pid).is_some();
    let linked = |name: &str| {
        fs::read_link(format!("/proc/{pid}/{name}")).is_ok_and(|path| path.starts_with(root))
    };
    let named = || {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&line).into_owned();
        let root = root.to_string_lossy();
        arguments
            .split('\0')
            .any(|argument| argument.contains(root.as_ref()))
    };
    alive && (linked("exe") || linked("cwd") || named())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_on_the_directory_ends_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let mut by_place = std::process::Command::new("sleep")
            .arg("60")
            .current_dir(root.path())
            .spawn()
            .unwrap();
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert_eq!(processes_below(root.path()), [by_place.id()]);
        end_all_below(root.path());
        assert!(!by_place.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

//! The database's log files. It writes into a file and never into a pipe, whose reader could be gone.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::agent::files::{Error, at};

/// For the database's output: each write lands at the end, also after the file was emptied.
pub fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(at("open the log", path))
}

/// Empties a log that has grown beyond `size_max` after copying it to `.1`, the older ones moving up. The
/// database keeps its descriptor; what it writes between copy and emptying is lost, a line or two.
pub fn rotate(path: &Path, size_max: u64, kept: u32) -> Result<bool, Error> {
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(false);
    };
    if metadata.len() <= size_max {
        return Ok(false);
    }
    let older = kept.saturating_sub(1);
    for number in (1..older).rev() {
        let from = numbered(path, number);
        if from.exists() {
            let to = numbered(path, number + 1);
            fs::rename(&from, &to).map_err(at("rename to", &to))?;
        }
    }
    let copied = if older > 0 {
        let first = numbered(path, 1);
        fs::copy(path, &first).map_err(at("copy the log to", &first))
    } else {
        Ok(0)
    };
    // Emptied even if there was no room for the copy: a full disk would stop the database itself.
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(0))
        .map_err(at("empty the log", path))?;
    copied.map(|_| true)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    crate::agent::files::beside(path, "", &format!(".{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_grown_log_is_emptied_under_its_writer_and_the_oldest_falls_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("database.log");
        let mut writer = open(&path).unwrap();
        for round in 0..6 {
            writeln!(writer, "round {round}").unwrap();
            assert!(!rotate(&path, 100, 5).unwrap(), "small logs stay");
            assert!(rotate(&path, 4, 5).unwrap());
        }
        writeln!(writer, "now").unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(
            read(&path),
            "now\n",
            "no hole of zeros where the old text was"
        );
        for (number, round) in [(1, 5), (2, 4), (3, 3), (4, 2)] {
            assert_eq!(read(&numbered(&path, number)), format!("round {round}\n"));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 5);
    }
}

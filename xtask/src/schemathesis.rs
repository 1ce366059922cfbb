//! The schema fuzzer that `tests/fuzz` runs against a live member: a Python program, kept beside the RocksDB build in
//! a directory of its own, its packages pinned in `schemathesis.txt`. Where it cannot be installed its tests say that
//! they are skipped; nothing else needs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::{Failure, at, run, say, succeeds};

/// What `schemathesis.txt` pins too; part of the directory's name.
const VERSION: &str = "4.32.5";
const PINNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.txt");
/// Written last: a directory without it was left half made.
const READY: &str = "ready";

/// The variable by which its tests find it.
pub const VARIABLE: &str = "SCHEMATHESIS";

/// The program, installed if it was not; `None`, and a word on why, where that is not possible.
pub fn program() -> Option<PathBuf> {
    let directory = crate::rocksdb::cache_home().ok()?;
    let directory = directory
        .join("aegis-updates")
        .join(format!("schemathesis-{VERSION}"));
    let program = directory.join("bin/schemathesis");
    if directory.join(READY).is_file() {
        return Some(program);
    }
    match installed(&directory) {
        Ok(()) => Some(program),
        Err(failure) => {
            say(format!(
                "without schemathesis its tests are skipped: {failure}"
            ));
            None
        }
    }
}

fn installed(directory: &Path) -> Result<(), Failure> {
    if !succeeds(Command::new("python3").args(["-m", "venv", "--help"])) {
        return Err(Failure("there is no python3 with venv".to_owned()));
    }
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(at(directory.display()))?;
    }
    let quiet = |command: &mut Command| run(command.stdout(std::io::stderr()));
    quiet(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
    quiet(
        Command::new(directory.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            // Where there is no network one does not wait for one.
            .args(["--retries", "1", "--timeout", "20"])
            .args(["--requirement", PINNED]),
    )?;
    let ready = directory.join(READY);
    fs::write(&ready, VERSION).map_err(at(ready.display()))
}

#[cfg(test)]
mod tests {
    use super::{PINNED, VERSION};

    #[test]
    fn the_version_is_the_pinned_one() {
        let pinned = std::fs::read_to_string(PINNED).unwrap();
        let own = format!("schemathesis=={VERSION}");
        assert!(pinned.lines().any(|line| line == own), "{own}");
        assert!(pinned.lines().all(|line| line.contains("==")));
    }
}

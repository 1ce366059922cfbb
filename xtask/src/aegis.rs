//! `cargo xtask aegis`: the real aegis-server of two versions under our daemons and behind HAProxy.
//! Gets both, then becomes the example that plays it; holds nothing of what is shown. Outside
//! continuous integration: it needs HAProxy, and builds a foreign program for half an hour.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rocksdb::cache_home;
use crate::setup::{self, FEATURES, Ready};
use crate::step::{Failure, at, cargo, run, say, shown, succeeds};

const OLD: &str = "0.2.6";
const NEW: &str = "0.3.0";

/// What building aegis-server needs beyond ours: it brings OpenSSL's source along.
const TOOLS: [(&str, &str, &str); 3] = [
    ("haproxy", "-v", "haproxy"),
    ("make", "--version", "make"),
    ("perl", "--version", "perl"),
];

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    let missing: Vec<&str> = TOOLS
        .into_iter()
        .filter(|(program, question, _)| !succeeds(Command::new(program).arg(question)))
        .map(|(_, _, package)| package)
        .collect();
    if !missing.is_empty() {
        return Err(Failure(format!(
            "the real database behind a real balancer needs programs that are missing. Run this line, then the command again:\n  sudo apt-get install --yes {}",
            missing.join(" ")
        )));
    }
    let ready = setup::ready()?;
    let (old, new) = (server(&ready, OLD)?, server(&ready, NEW)?);
    run(ready
        .cargo()
        .args(["build", "--workspace", "--bins", "--examples"])
        .args(FEATURES))?;
    let built = ready.target_directory().join("debug");
    let mut play = Command::new(built.join("examples").join("real-aegis"));
    play.arg("--updater")
        .arg(built.join("aegis-updates"))
        .arg("--old")
        .arg(format!("{OLD}={}", old.display()))
        .arg("--new")
        .arg(format!("{NEW}={}", new.display()))
        // `-- --rounds 2` says the same as `--rounds 2`.
        .args(arguments.iter().filter(|word| *word != "--"));
    say(shown(&play));
    // Replacing this process gives it the terminal, its signals, and its own exit status.
    let error = play.exec();
    Err(Failure(format!("cannot start {}: {error}", shown(&play))))
}

/// The executable of one version, built once per machine.
fn server(ready: &Ready, version: &str) -> Result<PathBuf, Failure> {
    let root = cache_home()?.join("aegis-updates").join("aegis-server");
    let root = root.join(version);
    let executable = root.join("bin").join("aegis-server");
    if executable.is_file() {
        return Ok(executable);
    }
    fs::create_dir_all(&root).map_err(at(root.display()))?;
    say(format!(
        "aegis-server {version} is not on this machine yet; building it takes a while"
    ));
    run(&mut install(ready.target_directory(), version, &root))?;
    Ok(executable)
}

/// `--locked`, since a dependency of it is yanked; one target directory for both versions, which share
/// most dependencies. Cargo puts the executable into its place as the last thing it does.
fn install(target_directory: &Path, version: &str, root: &Path) -> Command {
    let mut command = cargo();
    command
        .args(["install", "aegis-server", "--locked", "--version", version])
        .arg("--root")
        .arg(root)
        .arg("--target-dir")
        .arg(target_directory.join("aegis-server"));
    command
}

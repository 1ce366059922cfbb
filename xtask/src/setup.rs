//! `cargo xtask setup`: everything a build needs beyond Rust and gcc. The other verbs begin with
//! it; a second run finds all in place and changes nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::Metadata;
use crate::step::{Failure, cargo, say};
use crate::{packages, rocksdb, schemathesis};

/// Every build of ours, tests and demo alike, uses profile dev, the whole workspace and this
/// feature: cargo unifies the features of what it builds together, so a command that leaves one
/// out would compile half of the dependencies a second time.
pub const FEATURES: [&str; 2] = ["--features", "aegis-updates/sabotage"];

/// The second build, of the next cluster version: with the features above it shares everything below our
/// own crate, which alone is compiled again.
pub const NEXT: [&str; 4] = [
    "--features",
    "aegis-updates/next-version",
    "--bin",
    "aegis-updates-next",
];

/// A machine that is ready: hands out cargo commands that link the kept RocksDB.
pub struct Ready {
    rocksdb: PathBuf,
    schemathesis: Option<PathBuf>,
    workspace: PathBuf,
    target_directory: PathBuf,
}

pub fn ready() -> Result<Ready, Failure> {
    packages::install_missing()?;
    let metadata = Metadata::asked()?;
    let rocksdb = rocksdb::library(&metadata.librocksdb_sys()?)?;
    say(format!("rocksdb: {}", rocksdb.display()));
    Ok(Ready {
        rocksdb,
        schemathesis: schemathesis::program(),
        workspace: metadata.directory("workspace_root")?,
        target_directory: metadata.directory("target_directory")?,
    })
}

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure(format!(
            "setup takes no arguments, not {argument:?}"
        )));
    }
    let ready = ready()?;
    say("for plain cargo commands in this shell, so that they share what xtask compiles:");
    println!(
        "export ROCKSDB_LIB_DIR='{}' ROCKSDB_STATIC=1",
        ready.rocksdb.display()
    );
    if let Some(program) = &ready.schemathesis {
        println!("export {}='{}'", schemathesis::VARIABLE, program.display());
    }
    Ok(())
}

impl Ready {
    pub fn cargo(&self) -> Command {
        let mut command = cargo();
        self.tell(&mut command);
        command
    }

    /// Where what was installed lies: for cargo, and for tests that call it or use the rest.
    pub fn tell(&self, command: &mut Command) {
        command
            .env("ROCKSDB_LIB_DIR", &self.rocksdb)
            .env("ROCKSDB_STATIC", "1");
        if let Some(program) = &self.schemathesis {
            command.env(schemathesis::VARIABLE, program);
        }
    }

    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    pub fn target_directory(&self) -> &Path {
        &self.target_directory
    }
}

//! `cargo xtask mutants [FILE …]`: changes the pure floors one place at a time and sees whether a test notices. The
//! whole workspace takes minutes a change, so a crate of those floors, their tests and a share of the simulation's
//! seeds is laid beside the build and changed there. What is left out and why stands in `.cargo/mutants.toml`.
//! Outside continuous integration: it takes hours.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::source::Metadata;
use crate::step::{Failure, at, cargo, run, succeeds};

/// Of `src`: all that names no runtime.
const ROOMS: [&str; 8] = [
    "base",
    "plans",
    "fleet",
    "access",
    "journal",
    "machine",
    "decision",
    "agent/machine",
];
/// Where rules live; the other rooms are words, which the tests of the faces read.
const DEFAULT: [&str; 4] = [
    "src/base/**",
    "src/machine/**",
    "src/decision/**",
    "src/agent/machine/**",
];
const DEPENDENCIES: [&str; 7] = [
    "hex",
    "rmp-serde",
    "semver",
    "serde",
    "serde_json",
    "sha2",
    "url",
];
const SEEDS: &str = "60";
/// Of the simulation: they take longer than all other tests together, and notice what seeds do.
const SLOW: [&str; 2] = ["explorer", "the_same_seed"];

pub fn verb(files: &[String]) -> Result<(), Failure> {
    if !succeeds(cargo().args(["mutants", "--version"])) {
        return Err(Failure(
            "cargo-mutants is missing: cargo install cargo-mutants --locked".to_owned(),
        ));
    }
    let metadata = Metadata::asked()?;
    let workspace = metadata.directory("workspace_root")?;
    let place = metadata.directory("target_directory")?.join("mutants");
    let laid = place.join("crate");
    lay(&workspace, &laid)?;
    run(&mut mutants(&laid, &place, files))
}

/// `--in-place`: what is changed is a copy already, and keeps what it has compiled.
fn mutants(laid: &Path, place: &Path, files: &[String]) -> Command {
    let mut command = cargo();
    command.args(["mutants", "--in-place", "--dir"]).arg(laid);
    command.arg("--output").arg(place);
    let default = DEFAULT.map(str::to_owned);
    for file in if files.is_empty() { &default } else { files } {
        command.args(["--file", file]);
    }
    command
        .args(["--", "--lib", "--"])
        .args(SLOW.map(|test| ["--skip", test]).concat())
        .env("SEEDS", SEEDS)
        .env("FAILURES", "1")
        .env_remove("CARGO_TARGET_DIR");
    command
}

/// The simulation is a part of the crate itself: one thing to compile for each change.
fn lay(workspace: &Path, laid: &Path) -> Result<(), Failure> {
    let source = laid.join("src");
    if source.exists() {
        fs::remove_dir_all(&source).map_err(at(source.display()))?;
    }
    copy(&workspace.join("tests/simulation"), &source)?;
    for room in ROOMS {
        copy(&workspace.join("src").join(room), &source.join(room))?;
    }
    let simulation = read(&source.join("main.rs"))?;
    fs::remove_file(source.join("main.rs")).map_err(at("main.rs"))?;
    write(&source.join("lib.rs"), &library(&simulation))?;
    let manifest = manifest(&read(&workspace.join("Cargo.toml"))?)?;
    write(&laid.join("Cargo.toml"), &manifest)?;
    let kept = ".cargo/mutants.toml";
    fs::create_dir_all(laid.join(".cargo")).map_err(at(laid.display()))?;
    write(&laid.join(kept), &read(&workspace.join(kept))?)?;
    let locked = read(&workspace.join("Cargo.lock"))?;
    write(&laid.join("Cargo.lock"), &locked)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(at(to.display()))?;
    for entry in fs::read_dir(from).map_err(at(from.display()))? {
        let entry = entry.map_err(at(from.display()))?.path();
        let Some(name) = entry.file_name() else {
            continue;
        };
        if entry.is_dir() {
            copy(&entry, &to.join(name))?;
        } else {
            fs::copy(&entry, to.join(name)).map_err(at(entry.display()))?;
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(at(file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(at(file.display()))
}

/// The rooms, then what the simulation begins with. It names the crate as a stranger would.
fn library(simulation: &str) -> String {
    let rooms = ROOMS.map(|room| match room.split_once('/') {
        Some((outer, inner)) => format!("pub mod {outer} {{ pub mod {inner}; }}\n"),
        None => format!("pub mod {room};\n"),
    });
    let simulation = simulation.lines().filter(|line| !line.starts_with("//!"));
    format!(
        "extern crate self as aegis_updates;\n{}{}\n",
        rooms.concat(),
        simulation.collect::<Vec<_>>().join("\n")
    )
}

/// Dependencies as the workspace has them, so that its lock file holds here too.
fn manifest(workspace: &str) -> Result<String, Failure> {
    let mut text = "[package]\nname = \"aegis-updates\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
        [workspace]\n[lib]\ndoctest = false\n[features]\nsabotage = []\nnext-version = []\n\
        [profile.dev]\ndebug = false\n[profile.dev.package.\"*\"]\nopt-level = 3\n[dependencies]\n"
        .to_owned();
    for name in DEPENDENCIES {
        let begins = format!("{name} = ");
        let line = workspace.lines().find(|line| line.starts_with(&begins));
        let line = line.ok_or_else(|| Failure(format!("Cargo.toml: no {name}")))?;
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_has_its_rooms_and_the_dependencies_of_the_workspace() {
        let text = library("//! The simulation.\nmod world;\n");
        assert!(text.contains("pub mod base;\n") && text.ends_with("mod world;\n"));
        assert!(text.contains("pub mod agent { pub mod machine; }\n") && !text.contains("//!"));
        let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let text = manifest(&read(Path::new(workspace)).unwrap()).unwrap();
        assert!(text.contains("\nserde = { version") && text.contains("\nhex = \""));
        assert!(manifest("hex = \"1\"").is_err());
    }
}

//! Where the test executables of the workspace are, for verbs that run one of them with variables of their own.

use std::path::PathBuf;
use std::process::Command;

use crate::setup::{FEATURES, Ready};
use crate::step::{Failure, at, run};

/// How the executables are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// As daily work and the tests are: what they compiled is used.
    Daily,
    /// Optimised, assertions kept: worth its minutes before a long run.
    Optimised,
}

/// What makes a release build one that still checks itself.
const CHECKED: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "2"),
];

impl Build {
    /// What cargo is told besides; a test that builds a part of its own passes it on.
    pub const fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Daily => &[],
            Self::Optimised => &CHECKED,
        }
    }
}

/// The path of a test executable of the package, built if need be.
pub fn built(ready: &Ready, name: &str, how: Build) -> Result<PathBuf, Failure> {
    let mut build = ready.cargo();
    build
        .args(["test", "--workspace", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(FEATURES);
    match how {
        Build::Daily => build.arg("--all-targets"),
        Build::Optimised => {
            // No more than is run, and what that starts; `test` would make tests of the examples.
            let mut started = ready.cargo();
            started.args(["build", "--workspace", "--release", "--bins", "--examples"]);
            run(started.args(FEATURES).envs(how.variables().iter().copied()))?;
            build
                .args(["--release", "--test", name])
                .envs(how.variables().iter().copied())
        }
    };
    of(&mut build, name)
}

/// How much the seeds of a replay are to cost: many are worth a longer compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeds {
    Few,
    Many,
}

/// The test executable whose runs can be replayed. It wants tokio's seeded scheduler, and so all that stands on tokio
/// compiled apart: in a directory of its own, or each build would undo the other.
pub fn replayed(ready: &Ready, seeds: Seeds) -> Result<PathBuf, Failure> {
    let mut build = ready.cargo();
    build
        .args(["test", "--package", "aegis-updates", "--test", REPLAY])
        .args(["--features", "sabotage,replay", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(ready.target_directory().join(REPLAY))
        .env("RUSTFLAGS", "--cfg tokio_unstable");
    if seeds == Seeds::Many {
        for package in ["aegis-updates", "aegis-updates-raft"] {
            let level = format!("profile.dev.package.{package}.opt-level=1");
            build.args(["--config", &level]);
        }
    }
    of(&mut build, REPLAY)
}

const REPLAY: &str = "replay";

fn of(build: &mut Command, name: &str) -> Result<PathBuf, Failure> {
    let output = build.output().map_err(at("cargo test --no-run"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure(said));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| executable(line, name));
    found.ok_or_else(|| Failure(format!("no test executable {name}")))
}

fn executable(line: &str, name: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let is_test = target["kind"][0] == "test" && target["name"] == name;
    let path = message["executable"].as_str().filter(|_| is_test)?;
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_found_by_its_test() {
        let line = r#"{"target":{"kind":["test"],"name":"sweeps"},"executable":"/x/sweeps-1"}"#;
        assert_eq!(
            executable(line, "sweeps"),
            Some(PathBuf::from("/x/sweeps-1"))
        );
        assert_eq!(executable(line, "daemons"), None);
    }
}

//! `cargo xtask test`: format, lints, doc tests, then every other test, and a count per net.
//! Environment `NEXTEST_PROFILE` chooses the nextest profile; nothing else is configurable here.

use std::process::Command;

use crate::executables::{Seeds, replayed};
use crate::setup::{FEATURES, NEXT, Ready};
use crate::step::{Failure, cargo, run, say, succeeds};
use crate::{counts, setup};

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure(format!(
            "test runs everything and takes no arguments, not {argument:?}"
        )));
    }
    let ready = setup::ready()?;
    let nextest = has_nextest();
    run(ready.cargo().args(["fmt", "--all", "--check"]))?;
    run(ready
        .cargo()
        .args(["clippy", "--workspace", "--all-targets"])
        .args(FEATURES)
        .args(["--", "-D", "warnings"]))?;
    if !nextest {
        say(
            "without nextest hung tests are not ended, groups do not hold, and nothing is counted per net",
        );
        return run(ready
            .cargo()
            .args(["test", "--workspace", "--all-targets"])
            .args(FEATURES))
        .and_then(|()| doc_tests(&ready));
    }
    // Before the long part, so that its summary is the last that scrolls by.
    doc_tests(&ready)?;
    // The test of two builds would compile it on its own time.
    run(ready
        .cargo()
        .args(["build", "--workspace"])
        .args(FEATURES)
        .args(NEXT))?;
    let replay = replay(&ready);
    let report = counts::Report::expected(ready.workspace());
    report.forget();
    let outcome = run(ready
        .cargo()
        .args(["nextest", "run", "--workspace", "--no-fail-fast"])
        .args(FEATURES));
    // The counts of a failed run are wanted too; its failure is the answer all the same.
    let counted = report.print(&mut listing(&ready));
    outcome.and(counted).and(replay)
}

/// A few seeds of the clusters that can be replayed, and that they can be: nextest builds none of them.
fn replay(ready: &Ready) -> Result<(), Failure> {
    say("the clusters that can be replayed are compiled apart");
    let path = replayed(ready, Seeds::Few)?;
    run(Command::new(path)
        .arg("--nocapture")
        .env("SEEDS", "12")
        .current_dir(ready.workspace()))
}

fn doc_tests(ready: &Ready) -> Result<(), Failure> {
    run(ready
        .cargo()
        .args(["test", "--doc", "--workspace"])
        .args(FEATURES))
}

fn listing(ready: &Ready) -> Command {
    let mut command = ready.cargo();
    command
        .args(["nextest", "list", "--workspace", "--message-format", "json"])
        .args(FEATURES);
    command
}

fn has_nextest() -> bool {
    if succeeds(cargo().args(["nextest", "--version"])) {
        return true;
    }
    match run(cargo().args(["install", "--locked", "cargo-nextest"])) {
        Ok(()) => true,
        Err(failure) => {
            say(format!("{failure}; falling back to cargo test"));
            false
        }
    }
}

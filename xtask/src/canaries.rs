//! `cargo xtask canaries [NAME …]`: plants each bug of the list in turn, by the variable that a build with the feature
//! `sabotage` obeys, runs its nets until one catches it, and prints which did and how fast. Must not change a source.

mod list;

use std::process::{Command, Output};
use std::time::Instant;

use list::{CANARIES, Canary, Net};

use crate::executables::{Build, Seeds, built, replayed};
use crate::setup::{self, Ready};
use crate::step::{Failure, at, say};

const VARIABLE: &str = "AEGIS_UPDATES_SABOTAGE";
const SEEDS_MAX: u64 = 6_000;
/// Seeds run in one go: few, so that a bug that is caught early costs little.
const SEEDS_AT_ONCE: u64 = 60;

/// How a net caught a bug: its own words.
#[derive(Debug, PartialEq)]
struct Caught {
    net: String,
    told: String,
}

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    let known = |name: &String| CANARIES.iter().any(|canary| canary.name == name);
    if let Some(name) = arguments.iter().find(|name| !known(name)) {
        return Err(Failure(format!("canaries knows no bug {name:?}")));
    }
    let ready = setup::ready()?;
    let (mut table, mut missed) = (Vec::new(), Vec::new());
    for canary in CANARIES {
        if !arguments.is_empty() && !arguments.iter().any(|name| name == canary.name) {
            continue;
        }
        say(format!("planted: {}", canary.name));
        #[expect(
            clippy::disallowed_methods,
            reason = "tells how long a hunt took; decides nothing"
        )]
        let started = Instant::now();
        let caught = hunt(&ready, canary)?;
        let seconds = started.elapsed().as_secs();
        let told = match &caught {
            Some(caught) => format!("{:<14} {seconds:>4} s  {}", caught.net, caught.told),
            None => format!("NOT CAUGHT     {seconds:>4} s"),
        };
        let row = format!("{:<28} {told}", canary.name);
        say(&row);
        table.push(row);
        missed.extend(caught.is_none().then_some(canary.name));
    }
    println!("{}", table.join("\n"));
    let caught = table.len() - missed.len();
    println!("{caught} of {} caught", table.len());
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure(format!(
        "the nets have a hole: {} not caught",
        missed.join(", ")
    )))
}

fn hunt(ready: &Ready, canary: &Canary) -> Result<Option<Caught>, Failure> {
    for net in canary.nets {
        let caught = match net {
            Net::Seeds => by_seeds(ready, canary)?,
            Net::Test {
                executable,
                test,
                variables,
            } => by_test(ready, canary, executable, test, variables)?,
        };
        if caught.is_some() {
            return Ok(caught);
        }
    }
    Ok(None)
}

/// The simulation's seeds, a few at a time, until one breaks an invariant.
fn by_seeds(ready: &Ready, canary: &Canary) -> Result<Option<Caught>, Failure> {
    let simulation = built(ready, "simulation", Build::Daily)?;
    for from in (1..=SEEDS_MAX).step_by(SEEDS_AT_ONCE as usize) {
        let output = Command::new(&simulation)
            .args(["--exact", "seeds", "--nocapture"])
            .current_dir(ready.workspace())
            .env(VARIABLE, canary.name)
            .env("FROM", from.to_string())
            .env("SEEDS", SEEDS_AT_ONCE.to_string())
            .env("FAILURES", "1")
            .env("TRACE", "0")
            .output()
            .map_err(at(simulation.display()))?;
        if output.status.success() {
            continue;
        }
        let said = said(&output);
        let broken = said.lines().rfind(|line| is_broken(line));
        let told = broken.unwrap_or("a seed failed without a word").to_owned();
        let net = "simulation".to_owned();
        return Ok(Some(Caught { net, told }));
    }
    Ok(None)
}

/// `seed 7: I2: what was wrong`.
fn is_broken(line: &str) -> bool {
    let numbered = |rest: &str| rest.split_once(": ").map(|(seed, _)| seed.parse::<u64>());
    matches!(line.strip_prefix("seed ").and_then(numbered), Some(Ok(_)))
}

/// A test of another net, which fails while the bug is in.
fn by_test(
    ready: &Ready,
    canary: &Canary,
    executable: &str,
    test: &str,
    variables: &[(&str, &str)],
) -> Result<Option<Caught>, Failure> {
    let path = match executable {
        "replay" => replayed(ready, Seeds::Many)?,
        _ => built(ready, executable, Build::Daily)?,
    };
    let output = Command::new(&path)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .current_dir(ready.workspace())
        .env(VARIABLE, canary.name)
        .envs(variables.iter().copied())
        .output()
        .map_err(at(path.display()))?;
    let said = said(&output);
    if !said.contains("running 1 test") {
        return Err(Failure(format!("{executable} has no test {test}")));
    }
    let failed = !output.status.success();
    Ok(failed.then(|| Caught {
        net: executable.to_owned(),
        told: format!("{test}: {}", last_words(&said)),
    }))
}

/// What the last panic said first: those before it may be of tasks that the test ended.
fn last_words(said: &str) -> String {
    let Some((_, after)) = said.rsplit_once("panicked at") else {
        return "failed".to_owned();
    };
    let mut lines = after.lines().skip(1).map(str::trim);
    let first = lines.next().unwrap_or("failed");
    // Only where it was: what was wrong comes next.
    match lines.next() {
        Some(next) if first.ends_with(':') => format!("{first} {next}"),
        _ => first.to_owned(),
    }
}

fn said(output: &Output) -> String {
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said += &String::from_utf8_lossy(&output.stderr);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failing_seed_says_is_recognised() {
        assert!(is_broken("seed 7: I2: members 2, 3: down"));
        assert!(!is_broken("seeds 50 entries 7") && !is_broken("seed x: y"));
        let said = "thread 'x' panicked at tests/y.rs:1:2:\nI5: a foreign binary\nmore";
        assert_eq!(last_words(said), "I5: a foreign binary");
        let said = "x panicked at y\na task\n\nx panicked at y\nseed 7:\nI13: stale\nmore";
        assert_eq!(last_words(said), "seed 7: I13: stale");
        assert_eq!(last_words("it ended"), "failed");
    }
}

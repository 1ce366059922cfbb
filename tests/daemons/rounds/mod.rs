//! Rounds: an upgrade of three databases under traffic while something goes wrong, all drawn from a number; the
//! record that an outside observer wrote of it is judged, live and again from its file by another process.
//!
//! `ROUNDS=n FROM=number` plays as many from there; without them two, chosen to differ.

mod evidence;
pub mod ground;
mod links;
mod machine;
mod members;
mod orders;
pub mod play;
pub mod script;
mod strike;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use aegis_updates::demo::haproxy::Haproxy;
use aegis_updates::demo::rules;
use tokio::time::Instant;

use ground::Ground;
use play::play;
use script::{Kind, Script, TROUBLES, Trouble};

/// A member cut off while a sound release rolls, and a daemon killed while a bad one fails.
const ORDINARY: [u64; 2] = [3, 80];
/// Once through every pair of trouble and step: from here on every trouble must have come so often. Under a
/// bad release a plan may end before the step is reached.
const ROUNDS_THAT_COVER: usize = 180;
const TROUBLES_MIN: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn rounds() {
    let seeds = match number("ROUNDS") {
        Some(count) => {
            let from = number("FROM").unwrap_or(0);
            (from..from + count).collect()
        }
        None => ORDINARY.to_vec(),
    };
    let haproxy = Haproxy::is_here();
    let mut tally = Tally::default();
    let begun = Instant::now();
    let mut present: Option<Ground> = None;
    for seed in seeds {
        let mut script = Script::of(seed);
        println!("{script}");
        if let Some(tool) = machine::lacks(script.trouble) {
            println!("  left out: needs {tool}");
            *tally.faults.entry("left_out").or_default() += 1;
            continue;
        }
        if script.haproxy && !haproxy {
            println!("  behind the tests' own balancer, HAProxy skipped: needs haproxy");
            script.haproxy = false;
        }
        let mut ground = match present.take() {
            Some(ground) => ground,
            None => Ground::new().await,
        };
        let bad = one(&mut ground, &script, &mut tally).await;
        // What does not obey a stop would be in the way of every round after.
        let stubborn = script.release == Kind::IgnoreTerm;
        // Whoever came back as somebody new was left out by the plan, and runs what the others do not.
        let uneven = script.trouble == Trouble::OldId;
        if bad.is_empty() && !stubborn && !uneven {
            present = Some(ground);
        } else if !bad.is_empty() {
            let directory = ground.cluster.keep().display();
            println!(
                "  kept: {directory}\n  again: ROUNDS=1 FROM={seed} cargo nextest run --test daemons rounds::rounds --no-capture"
            );
        }
        tally.violations.extend(bad);
    }
    tally.print(begun.elapsed().as_secs());
    let lacking = tally.lacking();
    assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
    assert!(tally.runs > 0);
    assert!(lacking.is_empty(), "too little was met: {lacking:?}");
}

/// Plays one; its violations.
async fn one(ground: &mut Ground, script: &Script, tally: &mut Tally) -> Vec<String> {
    let played = play(ground, script).await;
    let path = record_path(script.seed);
    played.tape.write(&path).unwrap();
    let mut bad = played.troubles;
    bad.extend(rules::violations(&played.tape));
    let agrees = checked_again(&path) == rules::violations(&played.tape).is_empty();
    if !agrees {
        bad.push(format!(
            "{} is judged otherwise from its file",
            path.display()
        ));
    }
    let bad: Vec<String> = bad
        .into_iter()
        .map(|violation| format!("round {}: {violation}", script.seed))
        .collect();
    println!("  {:?}, {} violations", played.statuses, bad.len());
    bad.iter().for_each(|violation| println!("  {violation}"));
    tally.runs += 1;
    if played.struck {
        tally
            .pairs
            .insert((script.trouble.name(), script.step.name()));
        *tally.faults.entry(script.trouble.name()).or_default() += 1;
    } else {
        *tally.faults.entry("not_reached").or_default() += 1;
    }
    *tally
        .covered
        .entry(format!("{:?}", script.release))
        .or_default() += 1;
    if script.haproxy {
        *tally.covered.entry("haproxy".to_owned()).or_default() += 1;
    }
    for status in played.statuses {
        *tally.covered.entry(status.replace(' ', "_")).or_default() += 1;
    }
    bad
}

/// True when the other process finds nothing.
pub fn checked_again(path: &std::path::Path) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_aegis-updates"))
        .args(["demo", "--check"])
        .arg(path)
        .output();
    output.unwrap().status.success()
}

fn record_path(seed: u64) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rounds");
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(format!("round-{seed}.jsonl"))
}

pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

#[derive(Default)]
struct Tally {
    runs: usize,
    violations: Vec<String>,
    faults: BTreeMap<&'static str, usize>,
    covered: BTreeMap<String, usize>,
    /// Troubles that came, each with the step at which they did.
    pairs: BTreeSet<(&'static str, &'static str)>,
}

impl Tally {
    /// The troubles that came too seldom in a run that is long enough, and that this machine can make.
    fn lacking(&self) -> Vec<&'static str> {
        if self.runs < ROUNDS_THAT_COVER {
            return Vec::new();
        }
        println!("at least: every trouble {TROUBLES_MIN} times");
        let come = |trouble: &Trouble| self.faults.get(trouble.name()).copied().unwrap_or(0);
        let lacking = TROUBLES
            .iter()
            .filter(|trouble| machine::lacks(**trouble).is_none() && come(trouble) < TROUBLES_MIN);
        lacking.map(|trouble| trouble.name()).collect()
    }

    fn print(&self, seconds: u64) {
        let list = |counts: Vec<(String, usize)>| {
            let words = counts.iter().map(|(name, count)| format!("{name}={count}"));
            words.collect::<Vec<_>>().join(" ")
        };
        let faults = self.faults.iter();
        let faults = faults.map(|(name, count)| ((*name).to_owned(), *count));
        let mut covered = self.covered.clone();
        covered.insert("pairs".to_owned(), self.pairs.len());
        println!(
            "net daemons: runs={} violations={} seconds={seconds} faults: {} covered: {}",
            self.runs,
            self.violations.len(),
            list(faults.collect()),
            list(covered.into_iter().collect())
        );
    }
}

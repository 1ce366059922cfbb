//! Partitions that drop packets: every host in a network namespace of its own, joined by a bridge; observer,
//! clients and origin stay outside. One cut for each upgrade to a sound release, judged as the rounds are. All of
//! them are shorter than the grace for quorum loss: nothing may go back, and nothing is started twice.
//!
//! `ROUNDS=n FROM=number` plays as many from there; without them each cut once.

mod cuts;
mod net;
mod reach;

use std::collections::BTreeMap;
use std::path::PathBuf;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::rules;
use aegis_updates::demo::tape::Tape;
use aegis_updates::journal::fact::Fact;
use aegis_updates::plans::progress::Step;
use tokio::time::Instant;

use crate::rolls::NAMES;
use crate::rounds::ground::{Ground, tools};
use crate::rounds::play::{Played, play_with};
use crate::rounds::script::{Kind, Random, Script, Whose};
use crate::rounds::{checked_again, number};
use cuts::{CUTS, Cut, one_leader};
use net::Net;

/// Each cut once, the last while the database in hand is down.
const ORDINARY: [u64; 4] = [0, 1, 2, 19];
/// Once through every pair of cut and step.
const PLAYED_THAT_COVER: usize = 36;

/// Fields are dropped in their order: first what runs in the network.
struct Place {
    ground: Ground,
    net: Net,
}

impl Place {
    /// `None`, said loudly, where there are no namespaces.
    async fn new() -> Option<Self> {
        let net = Net::lay(&NAMES)?;
        let installed = Recipe::sound("1.0.0");
        let formed = Cluster::form_around(net.here(), tools(), &installed, |host| {
            host.live_at(net.address(&host.name), net.enter(&host.name));
            Ok(())
        });
        let formed = formed.await;
        let cluster = formed.unwrap_or_else(|error| panic!("no cluster was formed: {error}"));
        Some(Self {
            ground: Ground::without_doors(cluster),
            net,
        })
    }
}

/// What a number plays: consecutive ones meet every pair of cut and step, as four and nine have no factor in common.
fn drawn(number: u64) -> (Cut, Script) {
    let script = Script::of(number);
    let script = Script {
        release: Kind::Sound,
        whose: Whose::Leader,
        // All are staged at once.
        passed: match script.step {
            Step::Staging => 0,
            _ => Random::new(number).below(NAMES.len() as u64),
        },
        back: false,
        haproxy: false,
        ..script
    };
    (CUTS[(number % 4) as usize], script)
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts() {
    let numbers = match number("ROUNDS") {
        Some(count) => {
            let from = number("FROM").unwrap_or(0);
            (from..from + count).collect()
        }
        None => ORDINARY.to_vec(),
    };
    let mut tally = Tally::default();
    let begun = Instant::now();
    let mut present = None;
    for number in numbers {
        let present_one = match present.take() {
            Some(place) => Some(place),
            None => Place::new().await,
        };
        let Some(mut place) = present_one else {
            return;
        };
        let bad = one(&mut place, number, &mut tally).await;
        if bad.is_empty() {
            present = Some(place);
        } else {
            let directory = place.ground.cluster.keep().display();
            println!(
                "  kept: {directory}\n  again: ROUNDS=1 FROM={number} cargo nextest run --test daemons namespaces::cuts --no-capture"
            );
        }
        tally.violations.extend(bad);
    }
    tally.print(begun.elapsed().as_secs());
    assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
    assert!(tally.runs > 0);
}

/// Plays one; its violations.
async fn one(place: &mut Place, number: u64, tally: &mut Tally) -> Vec<String> {
    let (cut, script) = drawn(number);
    let (name, step) = (cut.name(), script.step);
    println!(
        "cut {number}: {name} at {step} of node {}",
        script.passed + 1
    );
    let net = &place.net;
    let strike = async |ground: &mut Ground, _: &_, leader: &str, _: &str| {
        cut.strike(ground, net, leader).await
    };
    let played = play_with(&mut place.ground, &script, strike).await;
    let led = one_leader(&place.ground).await;
    let path = record_path(number);
    played.tape.write(&path).unwrap();
    let mut bad = rules::violations(&played.tape);
    if checked_again(&path) != bad.is_empty() {
        bad.push(format!(
            "{} is judged otherwise from its file",
            path.display()
        ));
    }
    bad.extend(beside_rules(&played));
    bad.extend(led.err().map(|why| why.to_string()));
    println!("  {:?}, {} violations", played.statuses, bad.len());
    bad.iter().for_each(|violation| println!("  {violation}"));
    tally.runs += 1;
    let met = if played.struck { name } else { "not_reached" };
    *tally.faults.entry(met).or_default() += 1;
    *tally.covered.entry(step.to_string()).or_default() += 1;
    for status in played.statuses {
        *tally.covered.entry(status).or_default() += 1;
    }
    let named = bad.into_iter();
    named
        .map(|violation| format!("cut {number}: {violation}"))
        .collect()
}

/// A sound release, and no outage that counts: each database is started once, and nothing goes back.
fn beside_rules(played: &Played) -> Vec<String> {
    let mut bad = played.troubles.clone();
    if !played.struck {
        bad.push("nothing was cut".to_owned());
    }
    if played.statuses != ["Completed"] {
        bad.push(format!("the plan ended {:?}", played.statuses));
    }
    bad.extend(went_back(&played.tape));
    for name in &played.tape.header.nodes {
        let from_ms = played.tape.header.from_ms;
        let processes = played.tape.processes();
        let started = processes.filter(|of| of.database == *name && of.started_ms >= from_ms);
        let count = started.count();
        if count != 1 {
            bad.push(format!("{name} was started {count} times"));
        }
    }
    bad
}

fn went_back(tape: &Tape) -> Vec<String> {
    let backward = tape.facts().filter(|written| match &written.fact {
        Fact::QuorumLost { .. } => true,
        Fact::Taken { goal, .. } => goal != "update",
        Fact::PlanStatus { from, to, .. } | Fact::NodeStatus { from, to, .. } => {
            to == "RollingBack" && from != to
        }
        _ => false,
    });
    let told = backward.map(|written| format!("went back: {:?}", written.fact));
    told.collect()
}

fn record_path(number: u64) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("namespaces");
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(format!("cut-{number}.jsonl"))
}

#[derive(Default)]
struct Tally {
    runs: usize,
    violations: Vec<String>,
    faults: BTreeMap<&'static str, usize>,
    covered: BTreeMap<String, usize>,
}

impl Tally {
    fn print(&self, seconds: u64) {
        let faults = self.faults.iter();
        let faults: Vec<String> = faults
            .map(|(name, count)| format!("{name}={count}"))
            .collect();
        let covered = self.covered.iter();
        let covered: Vec<String> = covered
            .map(|(name, count)| format!("{name}={count}"))
            .collect();
        println!(
            "net namespaces: runs={} violations={} seconds={seconds} faults: {} covered: {}",
            self.runs,
            self.violations.len(),
            faults.join(" "),
            covered.join(" ")
        );
    }
}

#[test]
fn consecutive_numbers_meet_every_pair_and_the_ordinary_every_cut() {
    let pairs: std::collections::BTreeSet<_> = (0..PLAYED_THAT_COVER as u64)
        .map(drawn)
        .map(|(cut, script)| (cut, script.step.name()))
        .collect();
    assert_eq!(pairs.len(), PLAYED_THAT_COVER);
    let cuts = ORDINARY.map(|number| drawn(number).0);
    assert_eq!(cuts, CUTS);
    let (_, last) = drawn(ORDINARY[3]);
    assert_eq!(last.step, Step::Restarting);
}

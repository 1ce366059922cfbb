//! A good act, then the same act with one thing wrong: exactly the verdict meant for it turns bad.

use std::collections::{BTreeMap, BTreeSet};

use super::act::{Act, Database, Expected, Failures, Order};
use super::load::{Acknowledged, Kind, Log, Outcome, Sent};

use super::passes::StepFact;
use super::process::Life;
use super::read_back::ReadBack;
use super::record::{Change, Health, Process, Record};
use super::report::{is_as_it_should_be, render};
use super::verdict::judge;

const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";

/// n1 leads and is taken last; each node is down for 0.5 s.
fn good() -> Act {
    let nodes = ["n2", "n3", "n1"];
    let mut facts = Vec::new();
    let mut seen = Record {
        scans: 100,
        scan_gap_ms_max: 30,
        ..Record::default()
    };
    for (pid, node) in (1..).zip(["n1", "n2", "n3"]) {
        seen.changes.push(change(500, node, Some("1.0.0")));
        let ended_at_ms = nodes
            .iter()
            .position(|taken| *taken == node)
            .map(|index| 12_000 + 5_000 * index as u64);
        seen.processes
            .push(process(node, pid, 100, ended_at_ms, OLD));
    }
    for (index, node) in nodes.iter().enumerate() {
        let begin = 11_000 + 5_000 * index as u64;
        for (offset, step) in [
            (0, "Draining"),
            (990, "Restarting"),
            (1_200, "Verifying"),
            (2_000, "Updated"),
        ] {
            facts.push(StepFact {
                at_ms: begin + offset,
                node: (*node).to_owned(),
                step: step.to_owned(),
                term: if index == 2 { 4 } else { 3 },
                leader: false,
            });
        }
        seen.processes
            .push(process(node, 10 + index as u32, begin + 1_050, None, NEW));
        seen.changes.push(change(begin + 1_000, node, None));
        seen.changes
            .push(change(begin + 1_500, node, Some("1.1.0")));
    }
    let sent: Vec<Sent> = (0..2_200)
        .map(|number| sent(10_000_000 + number * 5_000))
        .collect();
    let write = Acknowledged {
        backend: "n1".to_owned(),
        key: "k".to_owned(),
        value: "v".to_owned(),
    };
    Act {
        name: "a".to_owned(),
        title: "a roll 1.0.0 → 1.1.0".to_owned(),
        from_ms: 10_500,
        to_ms: 24_000,
        status: "Completed".to_owned(),
        facts,
        led_at_start: Some("n1".to_owned()),
        connections: 8,
        load: Log {
            sent: [sent, vec![self::sent(23_500_000)]].concat(),
            acknowledged: vec![write],
        },
        read_back: ReadBack {
            checked: 1,
            lost: Vec::new(),
        },
        balancer: Vec::new(),
        seen,
        expected: expected(),
    }
}

type Spoil = &'static dyn Fn(&mut Act);

fn expected() -> Expected {
    let database = Database {
        digest: NEW.to_owned(),
        version: "1.1.0".to_owned(),
        starts: 1,
    };
    let names = ["n1", "n2", "n3"].map(str::to_owned);
    Expected {
        status: "Completed".to_owned(),
        databases: names
            .iter()
            .map(|name| (name.clone(), database.clone()))
            .collect::<BTreeMap<_, _>>(),
        digests_allowed: BTreeSet::from([OLD.to_owned(), NEW.to_owned()]),
        taken: BTreeSet::from(names),
        order: Order::LeaderLast,
        down_together_max: 1,
        failures: Failures::None,
        requests_min: 1_000,
        writes_min: 1,
        rate_min_per_s: 150.0,
        connections_min: 8,
    }
}

fn sent(start_us: u64) -> Sent {
    Sent {
        connection: 0,
        kind: Kind::Write,
        start_us,
        end_us: start_us + 900,
        backend: Some("n1".to_owned()),
        outcome: Outcome::Done { status: 200 },
    }
}

fn process(
    database: &str,
    pid: u32,
    started_at_ms: u64,
    ended_at_ms: Option<u64>,
    digest: &str,
) -> Process {
    let life = Life {
        pid,
        start_ticks: started_at_ms / 10,
    };
    let digest = Some(digest.to_owned());
    Process {
        database: database.to_owned(),
        life,
        started_at_ms,
        ended_at_ms,
        digest,
    }
}

fn change(at_ms: u64, database: &str, version: Option<&str>) -> Change {
    let health = match version {
        Some(version) => Health::Healthy {
            version: version.to_owned(),
        },
        None => Health::Silent,
    };
    Change {
        at_ms,
        database: database.to_owned(),
        health,
    }
}

/// Names of the verdicts that are bad.
fn bad(act: &Act) -> Vec<&'static str> {
    judge(act)
        .iter()
        .filter(|verdict| !verdict.ok)
        .map(|verdict| verdict.what)
        .collect()
}

fn spoiled(spoil: impl FnOnce(&mut Act)) -> Act {
    let mut act = good();
    spoil(&mut act);
    act
}

#[test]
fn a_good_act_is_as_it_should_be() {
    let act = good();
    assert_eq!(bad(&act), Vec::<&str>::new(), "{:#?}", judge(&act));
    let text = render(std::slice::from_ref(&act));
    assert!(text.contains("n2 (follower in term 3) → n3 (follower in term 3) → n1 (follower in term 4, led at the start)"), "{text}");
    assert!(
        text.contains("2201 requests on 8 connections, 0 failed"),
        "{text}"
    );
    assert!(text.ends_with("Everything is as it should be.\n"), "{text}");
    assert!(!is_as_it_should_be(&[]), "no act proves nothing");
}

#[test]
fn each_wrong_thing_has_its_verdict() {
    let cases: [(&str, Spoil); 15] = [
        ("outcome", &|act| act.status = "RolledBack".to_owned()),
        ("nodes", &|act| act.facts.retain(|fact| fact.node != "n3")),
        ("order", &|act| act.led_at_start = Some("n2".to_owned())),
        ("order", &|act| act.led_at_start = None),
        ("order", &|act| act.facts[0].leader = true),
        ("requests", &|act| {
            act.load.sent[7].outcome = Outcome::Failed {
                why: "HTTP 502".to_owned(),
            }
        }),
        ("load", &|act| {
            act.load.sent.retain(|sent| sent.start_us > 12_000_000)
        }),
        ("load", &|act| act.connections = 7),
        ("writes", &|act| act.read_back.checked = 0),
        ("writes", &|act| act.expected.writes_min = 2),
        ("writes", &|act| {
            act.read_back.lost.push("k on n1 is None".to_owned())
        }),
        ("availability", &|act| {
            act.seen.changes.push(change(23_000, "n2", None))
        }),
        ("starts", &|act| {
            act.seen
                .processes
                .push(process("n2", 77, 20_000, Some(20_500), NEW))
        }),
        ("binaries", &|act| {
            act.seen
                .processes
                .push(process("n2", 77, 200, Some(11_000), "cccc"))
        }),
        ("observer", &|act| act.seen.scan_gap_ms_max = 5_000),
    ];
    for (what, spoil) in cases {
        let mut act = spoiled(spoil);
        if what == "availability" {
            // Two at once: n2 silent from 23 s on is one, n3 with it makes two.
            act.seen.changes.push(change(23_100, "n3", None));
        }
        let found = bad(&act);
        assert!(found.contains(&what), "{what} is not among {found:?}");
        let also: Vec<_> = found
            .iter()
            .filter(|found| **found != what && **found != "versions")
            .collect();
        assert!(also.is_empty(), "spoiling {what} also turned {also:?}");
        assert!(render(&[act]).contains(&format!("BAD  {what}")));
    }
}

#[test]
fn a_control_run_may_fail_requests_and_says_when_it_could_not() {
    let mut act = spoiled(|act| act.expected.failures = Failures::Shown);
    assert!(render(&[act.clone()]).contains("this control run could not show any"));
    act.load.sent[7].outcome = Outcome::Failed {
        why: "HTTP 503".to_owned(),
    };
    assert!(render(&[act.clone()]).contains("HTTP 503; this is the control run"));
    assert_eq!(bad(&act), Vec::<&str>::new());
}

#[test]
fn a_node_on_the_wrong_binary_or_version_at_the_end_is_bad() {
    let act = spoiled(|act| {
        for process in act
            .seen
            .processes
            .iter_mut()
            .filter(|process| process.life.pid == 10)
        {
            process.digest = Some(OLD.to_owned());
        }
    });
    assert_eq!(bad(&act), ["digests"]);
    let act = spoiled(|act| act.seen.changes.push(change(23_000, "n3", Some("1.0.0"))));
    assert_eq!(bad(&act), ["versions"]);
    let act = spoiled(|act| act.seen.processes.push(process("n3", 99, 9_000, None, NEW)));
    assert_eq!(
        bad(&act),
        ["digests"],
        "two processes on one data directory"
    );
}

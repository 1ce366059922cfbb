//! Whether an act went as it should: one function for each thing that is asked of it, each with its
//! reason. How it reads on paper is report.rs.

use std::collections::BTreeSet;

use super::act::{Act, Database, Failures, Order};
use super::load::Outcome;
use super::passes::{Pass, passes};
use super::record::Health;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub what: &'static str,
    pub ok: bool,
    /// What was found, and where it is not as it should be, what was asked.
    pub why: String,
}

/// Every verdict on an act, in the order in which a reader wants them.
pub fn judge(act: &Act) -> Vec<Verdict> {
    vec![
        status(act),
        taken(act),
        order(act),
        requests(act),
        load_was_real(act),
        writes(act),
        down_together(act),
        starts(act),
        digests_at_the_end(act),
        digests_always(act),
        versions(act),
        observer_was_awake(act),
    ]
}

/// A gap longer than this in the process scans could hide a process's whole life.
const SCAN_GAP_MS_MAX: u64 = 1_000;

fn status(act: &Act) -> Verdict {
    let ok = act.status == act.expected.status;
    let why = if ok {
        format!("the plan ended {}", act.status)
    } else {
        format!(
            "the plan ended {} instead of {}",
            act.status, act.expected.status
        )
    };
    Verdict {
        what: "outcome",
        ok,
        why,
    }
}

fn taken(act: &Act) -> Verdict {
    let taken: BTreeSet<String> = passes(&act.facts)
        .into_iter()
        .map(|pass| pass.node)
        .collect();
    let ok = taken == act.expected.taken;
    let list = |nodes: &BTreeSet<String>| nodes.iter().cloned().collect::<Vec<_>>().join(", ");
    let why = if ok && taken.is_empty() {
        "no node was taken".to_owned()
    } else if ok {
        format!("taken were {}", list(&taken))
    } else {
        format!(
            "taken were [{}] instead of [{}]",
            list(&taken),
            list(&act.expected.taken)
        )
    };
    Verdict {
        what: "nodes",
        ok,
        why,
    }
}

fn order(act: &Act) -> Verdict {
    let passes = passes(&act.facts);
    // A node's rollback follows from its own state and may come at any time.
    let updates: Vec<&Pass> = passes.iter().filter(|pass| !pass.is_rollback()).collect();
    let updates = if updates.is_empty() {
        passes.iter().collect()
    } else {
        updates
    };
    let mut wrong: Vec<String> = updates
        .iter()
        .filter(|pass| pass.leader)
        .map(|pass| format!("{} was taken while it led (term {})", pass.node, pass.term))
        .collect();
    if act.expected.order == Order::LeaderLast {
        match (&act.led_at_start, updates.last()) {
            (Some(leader), Some(last)) => {
                let leader_is_due = updates.iter().any(|pass| pass.node == *leader);
                if leader_is_due && last.node != *leader {
                    wrong.push(format!(
                        "{leader} led at the start and was taken before {}",
                        last.node
                    ));
                }
            }
            (None, _) => wrong.push("nobody is known to have led at the start".to_owned()),
            (Some(_), None) => wrong.push("no node was taken".to_owned()),
        }
    }
    let ok = wrong.is_empty();
    let why = if ok {
        "followers first, no node while it led".to_owned()
    } else {
        wrong.join("; ")
    };
    Verdict {
        what: "order",
        ok,
        why,
    }
}

fn requests(act: &Act) -> Verdict {
    let failed: Vec<&str> = act
        .load
        .sent
        .iter()
        .filter_map(|sent| match &sent.outcome {
            Outcome::Failed { why } => Some(why.as_str()),
            Outcome::Done { .. } => None,
        })
        .collect();
    let mut why = match failed.first() {
        None => format!("0 of {} failed", act.load.sent.len()),
        Some(first) => format!(
            "{} of {} failed, the first: {first}",
            failed.len(),
            act.load.sent.len()
        ),
    };
    let control = act.expected.failures == Failures::Shown;
    match (control, failed.is_empty()) {
        (true, false) => why.push_str("; this is the control run, which is here to show them"),
        (true, true) => why.push_str("; this control run could not show any"),
        (false, _) => {}
    }
    Verdict {
        what: "requests",
        ok: failed.is_empty() || control,
        why,
    }
}

fn load_was_real(act: &Act) -> Verdict {
    let (first, last) = (act.load.sent.first(), act.load.sent.last());
    let span_us = first
        .zip(last)
        .map_or(0, |(first, last)| last.start_us - first.start_us);
    let rate = if span_us == 0 {
        0.0
    } else {
        act.load.sent.len() as f64 * 1e6 / span_us as f64
    };
    let facts = || act.facts.iter().map(|fact| fact.at_ms * 1_000);
    let covers = first
        .zip(facts().min())
        .is_some_and(|(first, fact)| first.start_us <= fact)
        && last
            .zip(facts().max())
            .is_some_and(|(last, fact)| last.end_us + 1_000 >= fact);
    let expected = &act.expected;
    let ok = act.load.sent.len() >= expected.requests_min
        && rate >= expected.rate_min_per_s
        && act.connections >= expected.connections_min
        && covers;
    let mut why = format!(
        "{} requests, {rate:.0}/s on {} connections (asked: {}, {:.0}/s, {})",
        act.load.sent.len(),
        act.connections,
        expected.requests_min,
        expected.rate_min_per_s,
        expected.connections_min
    );
    if !covers {
        why.push_str("; they did not run from before the first step to after the last");
    }
    Verdict {
        what: "load",
        ok,
        why,
    }
}

fn writes(act: &Act) -> Verdict {
    let acknowledged = act.load.acknowledged.len();
    let complete = act.read_back.checked == acknowledged && acknowledged >= act.expected.writes_min;
    let mut why = format!(
        "{} of {acknowledged} acknowledged writes (asked: {}) read back from the node that took them, {} lost",
        act.read_back.checked,
        act.expected.writes_min,
        act.read_back.lost.len()
    );
    if let Some(first) = act.read_back.lost.first() {
        why.push_str(&format!(", the first: {first}"));
    }
    Verdict {
        what: "writes",
        ok: complete && (act.read_back.lost.is_empty() || act.expected.failures == Failures::Shown),
        why,
    }
}

fn down_together(act: &Act) -> Verdict {
    let (most, at_ms) = act.seen.down_together_max(act.from_ms, act.to_ms);
    let limit = act.expected.down_together_max;
    let at = format!(
        "+{:.2} s",
        at_ms.saturating_sub(act.from_ms) as f64 / 1_000.0
    );
    let why = match most {
        0 => "no database was ever not healthy".to_owned(),
        _ => format!(
            "at most {most} not healthy at the same moment (first at {at}; allowed: {limit})"
        ),
    };
    Verdict {
        what: "availability",
        ok: most <= limit,
        why,
    }
}

fn starts(act: &Act) -> Verdict {
    let found = each_database(act, |name, expected| {
        let starts = act.seen.starts(name, act.from_ms);
        (
            starts == expected.starts,
            format!("{name} {starts}"),
            format!("{}", expected.starts),
        )
    });
    Verdict {
        what: "starts",
        ..found
    }
}

fn digests_at_the_end(act: &Act) -> Verdict {
    let found = each_database(act, |name, expected| {
        let digest = act
            .seen
            .running(name)
            .and_then(|process| process.digest.as_deref())
            .unwrap_or("unknown");
        (
            digest == expected.digest,
            format!("{name} {}", short(digest)),
            short(&expected.digest).to_owned(),
        )
    });
    Verdict {
        what: "digests",
        ..found
    }
}

fn digests_always(act: &Act) -> Verdict {
    let allowed = &act.expected.digests_allowed;
    let strangers: Vec<String> = act
        .seen
        .processes
        .iter()
        .filter(|process| process.ended_at_ms.is_none_or(|ended| ended >= act.from_ms))
        .filter(|process| {
            !process
                .digest
                .as_ref()
                .is_some_and(|digest| allowed.contains(digest))
        })
        .map(|process| {
            let digest = process.digest.as_deref().map_or("unknown bytes", short);
            format!(
                "{} ran {digest} (pid {})",
                process.database, process.life.pid
            )
        })
        .collect();
    let ok = strangers.is_empty();
    let why = if ok {
        "only known binaries ever ran".to_owned()
    } else {
        strangers.join("; ")
    };
    Verdict {
        what: "binaries",
        ok,
        why,
    }
}

fn versions(act: &Act) -> Verdict {
    let found = each_database(act, |name, expected| {
        let version = match act.seen.health_at(name, act.to_ms) {
            Some(Health::Healthy { version }) => version.clone(),
            Some(Health::Sick { answer }) => format!("sick ({answer})"),
            Some(Health::Silent) | None => "silent".to_owned(),
        };
        (
            version == expected.version,
            format!("{name} {version}"),
            expected.version.clone(),
        )
    });
    Verdict {
        what: "versions",
        ..found
    }
}

fn observer_was_awake(act: &Act) -> Verdict {
    let gap_ms = act.seen.scan_gap_ms_max;
    let ok = act.seen.scans > 0 && gap_ms <= SCAN_GAP_MS_MAX;
    let why = format!(
        "{} looks at the process list, the longest gap {gap_ms} ms",
        act.seen.scans
    );
    Verdict {
        what: "observer",
        ok,
        why,
    }
}

/// `ask` answers for one database: as expected, what was found, what was asked.
fn each_database(act: &Act, ask: impl Fn(&str, &Database) -> (bool, String, String)) -> Verdict {
    let mut ok = !act.expected.databases.is_empty();
    let mut parts = Vec::new();
    for (name, expected) in &act.expected.databases {
        let (fits, found, asked) = ask(name, expected);
        ok &= fits;
        parts.push(if fits {
            found
        } else {
            format!("{found} instead of {asked}")
        });
    }
    Verdict {
        what: "",
        ok,
        why: parts.join(", "),
    }
}

/// The first characters of a digest; enough to tell a demo's releases apart.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

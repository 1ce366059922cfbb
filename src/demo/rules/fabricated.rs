//! A record of a good roll, made by hand, and single lines with which tests spoil it.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::ids::{Generation, MemberId, NodeName, PlanId};
use crate::demo::tape::{
    FORMAT, Fault, Header, InstallPath, Line, Plan, Process, Rest, Tape, Traffic, Written,
};
use crate::fleet::intent::{Evidence, Which};
use crate::fleet::observation::Database;
use crate::journal::fact::Fact;

const NAMES: [&str; 3] = ["n1", "n2", "n3"];

/// Three nodes from `old` to `new`: n2 and n3 in the term of n1, then n1 in that of n2.
pub fn good() -> Tape {
    let mut lines = members();
    for name in NAMES {
        lines.push(health(200, name, Some("1.0.0")));
        lines.push(path(1_000, name, Some("old"), 0o755));
    }
    let plan = PlanId(1);
    for (turn, name, term, leader) in [(0, "n2", 1, 1), (1, "n3", 1, 1), (2, "n1", 2, 2)] {
        lines.extend(pass(plan, turn, name, term, leader));
    }
    lines.push(Line::Plan(Plan {
        id: plan.to_string(),
        sha256: "new".to_owned(),
        version: "1.1.0".to_owned(),
        sound: true,
        harms_clients: false,
    }));
    lines.push(Line::Traffic(Traffic {
        sent: 100,
        acknowledged: 50,
        read_back: 50,
        ..Traffic::default()
    }));
    lines.push(rest(7_000, "Completed"));
    Tape {
        header: Header {
            format: FORMAT,
            cluster: "by hand".to_owned(),
            nodes: NAMES.map(str::to_owned).to_vec(),
            min_available: 2,
            max_unavailable: 1,
            quorum_loss_grace_ms: 6_000,
            rest_within_ms: 60_000,
            installed: "old".to_owned(),
            from_ms: 1_000,
            to_ms: 9_000,
        },
        lines,
    }
}

fn members() -> Vec<Line> {
    let member = |index: u64, name: &str| Fact::NodeJoined {
        node: node(name),
        member: MemberId(index),
    };
    let joined = NAMES.iter().zip(1..);
    joined
        .map(|(name, index)| at(index, 500, 1, member(index, name)))
        .collect()
}

/// One node's way, as journal, processes, health and install path tell it.
fn pass(plan: PlanId, turn: u64, name: &str, term: u64, leader: u64) -> Vec<Line> {
    let (index, ms) = (10 + 10 * turn, 3_000 + 700 * turn);
    let generation = generation(1);
    let staged = Fact::NodeStatus {
        plan,
        node: node(name),
        from: "Staging".to_owned(),
        to: "Staged".to_owned(),
        class: None,
        detail: None,
    };
    let taken = Fact::Taken {
        plan,
        node: node(name),
        generation,
        goal: "update".to_owned(),
        leader: MemberId(leader),
        first: true,
        evidence: all_healthy(),
    };
    let begun = |which| Fact::Begun {
        node: node(name),
        generation,
        which,
        attempt: 1,
    };
    let freed = Fact::SlotFreed {
        node: node(name),
        how: "answered".to_owned(),
    };
    vec![
        at(index, 2_000, term, staged),
        at(index + 1, ms, term, taken),
        at(index + 2, ms + 10, term, begun(Which::First)),
        at(index + 3, ms + 100, term, begun(Which::Second)),
        process(name, 100, Some(ms + 200), "old"),
        health(ms + 210, name, None),
        path(ms + 150, name, Some("new"), 0o755),
        process(name, ms + 300, None, "new"),
        health(ms + 500, name, Some("1.1.0")),
        at(index + 4, ms + 600, term, answer(name, 1, "updated")),
        at(index + 5, ms + 600, term, freed),
    ]
}

pub fn all_healthy() -> Vec<Evidence> {
    NAMES.map(|name| seen(name, true)).to_vec()
}

pub fn seen(name: &str, healthy: bool) -> Evidence {
    Evidence {
        node: node(name),
        healthy,
        age_ms: 100,
    }
}

pub fn taken(index: u64, name: &str, number: u64, goal: &str, evidence: Vec<Evidence>) -> Line {
    let taken = Fact::Taken {
        plan: PlanId(1),
        node: node(name),
        generation: generation(number),
        goal: goal.to_owned(),
        leader: MemberId(2),
        first: true,
        evidence,
    };
    fact(index, 2, taken)
}

/// The same take by another leader.
pub fn taken_by(member: u64, mut line: Line) -> Line {
    if let Line::Fact(Written {
        fact: Fact::Taken { leader, .. },
        ..
    }) = &mut line
    {
        *leader = MemberId(member);
    }
    line
}

pub fn begun(index: u64, name: &str, number: u64, which: Which, attempt: u64) -> Line {
    let begun = Fact::Begun {
        node: node(name),
        generation: generation(number),
        which,
        attempt,
    };
    fact(index, 2, begun)
}

pub fn answered(index: u64, name: &str, number: u64, word: &str) -> Line {
    fact(index, 2, answer(name, number, word))
}

fn answer(name: &str, number: u64, word: &str) -> Fact {
    Fact::Answered {
        plan: PlanId(1),
        node: node(name),
        generation: generation(number),
        answer: word.to_owned(),
        detail: None,
        database: Database::default(),
    }
}

pub fn process(name: &str, started_ms: u64, ended_ms: Option<u64>, sha256: &str) -> Line {
    Line::Process(Process {
        database: name.to_owned(),
        pid: 1,
        started_ms,
        ended_ms,
        sha256: Some(sha256.to_owned()),
    })
}

pub fn health(at_ms: u64, name: &str, version: Option<&str>) -> Line {
    Line::Health {
        at_ms,
        database: name.to_owned(),
        version: version.map(str::to_owned),
    }
}

pub fn path(at_ms: u64, name: &str, sha256: Option<&str>, mode: u32) -> Line {
    Line::Path(InstallPath {
        at_ms,
        database: name.to_owned(),
        sha256: sha256.map(str::to_owned),
        mode,
        owner: 0,
        group: 0,
    })
}

/// From 3 s to 7 s.
pub fn fault(kind: &str, daemons: &[&str], databases: &[&str]) -> Line {
    let set = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    };
    Line::Fault(Fault {
        kind: kind.to_owned(),
        from_ms: 3_000,
        until_ms: 7_000,
        daemons: set(daemons),
        databases: set(databases),
        may_fail_plan: false,
    })
}

pub fn rest(at_ms: u64, status: &str) -> Line {
    Line::Rest(Rest {
        at_ms,
        plan: PlanId(1).to_string(),
        status: status.to_owned(),
        mixed: false,
        next: 1,
        ready: NAMES
            .map(|name| (name.to_owned(), true))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    })
}

/// A fact whose time follows from its index, after everything in the good record.
pub fn fact(index: u64, term: u64, fact: Fact) -> Line {
    let at_ms = if index < 1_000 { 8_000 + index } else { index };
    at(index, at_ms, term, fact)
}

fn at(index: u64, at_ms: u64, term: u64, fact: Fact) -> Line {
    Line::Fact(Written {
        at_ms,
        index,
        ordinal: 0,
        term,
        fact,
    })
}

fn generation(number: u64) -> Generation {
    Generation {
        incarnation: 1,
        number,
    }
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap_or_else(|_| unreachable!("{name}"))
}

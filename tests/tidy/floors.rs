//! Which room stands on which floor, and what a room may name: its own floor and those below; the
//! pure floors also no runtime, no input or output, no clock, no chance. Knows no sizes.

use super::File;
use super::paths::{Named, named};

/// Rooms of `src/`, a directory or a file each, by floor. Whoever adds a room adds it here. Within a
/// floor a room may use those before it, so that no two rooms need each other; only on the top
/// floor, which wires everything, the order means nothing.
const FLOORS: [&[&str]; 9] = [
    &["base"],
    &[
        "plans",
        "fleet",
        "releases",
        "policy",
        "scopes",
        "snapshots",
        "cache",
        "access",
        "journal",
    ],
    &["machine"],
    &["decision"],
    // The crate in `raft/`, by the name under which code uses it.
    &["aegis_updates_raft"],
    &["agent"],
    &["control"],
    &["metrics", "dashboard", "http", "client", "cli"],
    &[
        "config",
        "daemon",
        "main",
        "next",
        "lib",
        "version",
        "orchestrator",
        "rollback",
        "maintenance",
        "demo",
    ],
];
const TOP: usize = FLOORS.len() - 1;

/// Floors 0 to 3 are functions of their input, so that a million runs with faults can be replayed.
const PURE: usize = 3;
const IMPURE_CRATES: [&str; 2] = ["tokio", "rand"];
const IMPURE_STD: [&str; 4] = ["fs", "net", "process", "thread"];
/// The two maps iterate in an order that differs from run to run.
const IMPURE_NAMES: [&str; 4] = ["SystemTime", "Instant", "HashMap", "HashSet"];

pub fn violations(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(of_file)
        .collect()
}

fn of_file(file: &File) -> Vec<String> {
    if file.path.starts_with("raft/") {
        let rooms = named(&file.text)
            .into_iter()
            .filter(|path| path.segments[0] == "aegis_updates");
        return rooms
            .map(|path| at(file, &path, "raft/ knows no room of the package"))
            .collect();
    }
    let Some(module) = module_path(&file.path) else {
        return Vec::new();
    };
    let room = module.first().copied().unwrap_or("lib");
    let Some(floor) = floor_of(room) else {
        return vec![format!(
            "{}: room {room} stands on no floor; add it to tests/tidy/floors.rs",
            file.path
        )];
    };
    let paths = named(&file.text);
    paths
        .iter()
        .filter_map(|path| Some(at(file, path, &broken_rule(&module, floor, path)?)))
        .collect()
}

fn at(file: &File, path: &Named, rule: &str) -> String {
    format!(
        "{}:{}: {}: {rule}",
        file.path,
        path.line,
        path.segments.join("::")
    )
}

/// `src/agent/ledger.rs` is `[agent, ledger]`; `src/lib.rs` is the root, and so is `src/main.rs`.
fn module_path(path: &str) -> Option<Vec<&str>> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut module: Vec<_> = inside.split('/').collect();
    if module.last() == Some(&"mod") || matches!(module.as_slice(), ["lib" | "main"]) {
        module.pop();
    }
    Some(module)
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn broken_rule(module: &[&str], floor: usize, path: &Named) -> Option<String> {
    if floor <= PURE && is_impure(path) {
        return Some(format!("floor {floor} is pure and may not name it"));
    }
    let used = room_used(module, path)?;
    // What is no room is an item of the crate's root, which is the top floor.
    let above = floor_of(used).unwrap_or(TOP);
    if above > floor {
        return Some(format!("floor {floor} uses floor {above}"));
    }
    let place = |room| FLOORS[floor].iter().position(|other| *other == room);
    let room = module.first().copied().unwrap_or("lib");
    let later = above == floor && floor < TOP && place(used) > place(room);
    later.then(|| format!("{used} stands after {room} on floor {floor}"))
}

fn is_impure(path: &Named) -> bool {
    let segments: Vec<_> = path.segments.iter().map(String::as_str).collect();
    let std =
        matches!(segments.as_slice(), ["std" | "core", module, ..] if IMPURE_STD.contains(module));
    let named = segments
        .iter()
        .any(|segment| IMPURE_NAMES.contains(segment));
    std || named || IMPURE_CRATES.contains(&segments[0])
}

/// The room at which a path arrives, if it leaves the file's own.
fn room_used<'a>(module: &[&'a str], path: &'a Named) -> Option<&'a str> {
    let mut segments = path.segments.iter().map(String::as_str).peekable();
    match segments.next()? {
        "crate" => Some(segments.next().unwrap_or("lib")),
        "aegis_updates_raft" => Some("aegis_updates_raft"),
        "super" => {
            let mut depth = (module.len() + path.inline_modules).checked_sub(1)?;
            while segments.next_if(|segment| *segment == "super").is_some() {
                depth = depth.checked_sub(1)?;
            }
            match depth {
                0 => Some(segments.next().unwrap_or("lib")),
                _ => module.first().copied(),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        violations(&[File::new(path, text)])
    }

    #[test]
    fn a_lower_floor_that_uses_a_higher_one_is_found() {
        let planted = [
            ("src/base/ids.rs", "use crate::plans::Plan;"),
            ("src/plans/plan.rs", "use crate::{base, machine::Command};"),
            (
                "src/machine/apply.rs",
                "fn f() { crate::decision::rollout(); }",
            ),
            ("src/decision/mod.rs", "use super::agent;"),
            (
                "src/decision/rollout.rs",
                "use super::super::control::clock;",
            ),
            ("src/fleet/node.rs", "use aegis_updates_raft::Node;"),
            (
                "src/agent/ledger.rs",
                "mod tests { use super::super::super::http::router; }",
            ),
            ("src/control/replica.rs", "use crate::Daemon;"),
            ("src/client.rs", "use super::daemon;"),
            ("raft/src/log.rs", "use aegis_updates::base;"),
        ];
        for (path, text) in planted {
            assert_eq!(
                found(path, text).len(),
                1,
                "{path}: {text}: {:?}",
                found(path, text)
            );
        }
    }

    #[test]
    fn a_room_that_uses_a_later_one_of_its_floor_is_found() {
        let found = found("src/plans/plan.rs", "use crate::fleet::node;");
        let rule = "fleet stands after plans on floor 1";
        assert_eq!(
            found,
            [format!("src/plans/plan.rs:1: crate::fleet::node: {rule}")]
        );
    }

    #[test]
    fn a_violation_says_where_and_which_rule() {
        let found = found("src/plans/plan.rs", "//! x\n\nuse crate::agent::Ledger;\n");
        assert_eq!(
            found,
            ["src/plans/plan.rs:3: crate::agent::Ledger: floor 1 uses floor 5"]
        );
    }

    #[test]
    fn what_the_floors_allow_is_allowed() {
        let allowed = [
            (
                "src/machine/apply.rs",
                "use crate::base::ids; use crate::plans::Plan; use crate::machine::State;",
            ),
            (
                "src/fleet/node.rs",
                "use crate::plans::plan; mod tests { use super::*; }",
            ),
            (
                "src/client.rs",
                "mod tests { use super::*; use crate::base::time; }",
            ),
            (
                "src/agent/ledger.rs",
                "use std::fs; use tokio::time::Instant; use super::report;",
            ),
            (
                "src/agent/adapter/http.rs",
                "use super::super::health::Health;",
            ),
            (
                "src/base/ids.rs",
                "// use crate::agent;\nconst A: &str = \"crate::agent::x tokio::fs\";",
            ),
            (
                "src/main.rs",
                "use aegis_updates::cli; use std::process::ExitCode;",
            ),
            (
                "src/demo/acts.rs",
                "use crate::daemon; use super::observer;",
            ),
            ("tests/tidy.rs", "use std::collections::HashMap;"),
        ];
        for (path, text) in allowed {
            assert_eq!(found(path, text), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn a_pure_floor_that_names_the_world_is_found() {
        let planted = [
            "use tokio::sync::mpsc;",
            "use std::fs;",
            "use std::{collections::BTreeMap, net::IpAddr};",
            "fn f() { std::process::exit(1) }",
            "use std::time::{Duration, SystemTime};",
            "use std::time::Instant;",
            "use rand::Rng;",
            "use std::collections::HashMap;",
            "type Set = std::collections::HashSet<u8>;",
        ];
        for floor in [
            "base", "plans", "fleet", "journal", "access", "machine", "decision",
        ] {
            for text in planted {
                let found = found(&format!("src/{floor}/x.rs"), text);
                assert!(!found.is_empty(), "{floor}: {text}");
            }
        }
        assert_eq!(
            found("src/base/x.rs", "use std::time::Duration;"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_room_without_a_floor_is_found() {
        let found = found("src/attic/x.rs", "//! x");
        assert_eq!(
            found,
            ["src/attic/x.rs: room attic stands on no floor; add it to tests/tidy/floors.rs"]
        );
    }
}

//! I10: a plan that ended says what runs: `Completed` only with its version and bytes on every node,
//! `RolledBack` with them on none, and a mixed cluster only as `Failed` or `Cancelled`, shown as mixed and with
//! what can be done next.

use std::collections::{BTreeMap, BTreeSet};

use crate::demo::tape::{Plan, Rest, Tape};

pub fn check(tape: &Tape) -> Vec<String> {
    let mut found = Vec::new();
    for rest in tape.rests() {
        match tape.plans().find(|plan| plan.id == rest.plan) {
            Some(plan) => found.extend(ended(tape, rest, plan)),
            None => found.push(format!("{} is not described in the record", rest.plan)),
        }
    }
    found
}

fn ended(tape: &Tape, rest: &Rest, plan: &Plan) -> Vec<String> {
    let nodes = tape.nodes_of(&rest.plan);
    let mut running = running_at(tape, rest.at_ms);
    // What a node outside the plan runs is not the plan's affair.
    running.retain(|name, _| nodes.contains(name));
    let mut found = Vec::new();
    for name in nodes {
        let sha256 = running.get(name).copied();
        let version = tape.version_at(name, rest.at_ms);
        let there = sha256 == Some(plan.sha256.as_str());
        let wrong = match rest.status.as_str() {
            "Completed" => !there || version != Some(plan.version.as_str()),
            "RolledBack" => there,
            _ => false,
        };
        if wrong {
            found.push(format!(
                "{} is {} and {name} runs {sha256:?} as {version:?}",
                plan.id, rest.status
            ));
        }
    }
    let kinds: BTreeSet<&str> = running.values().copied().collect();
    let ended_mixed = ["Failed", "Cancelled"].contains(&rest.status.as_str());
    let is_final = ended_mixed || ["Completed", "RolledBack"].contains(&rest.status.as_str());
    if is_final && kinds.len() > 1 && !(ended_mixed && rest.mixed && rest.next > 0) {
        found.push(format!(
            "{} is {} over a mixed cluster: said mixed {}, with {} things to do",
            plan.id, rest.status, rest.mixed, rest.next
        ));
    }
    found
}

fn running_at(tape: &Tape, at_ms: u64) -> BTreeMap<&str, &str> {
    let alive = tape.processes().filter(|process| {
        process.started_ms <= at_ms && process.ended_ms.is_none_or(|end| end > at_ms)
    });
    alive
        .filter_map(|process| Some((process.database.as_str(), process.sha256.as_deref()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{fact, good, rest};
    use super::*;
    use crate::base::ids::PlanId;
    use crate::demo::tape::Line;
    use crate::journal::fact::Fact;

    #[test]
    fn an_end_that_is_not_what_runs_is_found() {
        let tape = good();
        assert_eq!(check(&tape), Vec::<String>::new());
        let mut other = good();
        for line in &mut other.lines {
            if let Line::Process(process) = line
                && process.database == "n3"
            {
                process.sha256 = Some("old".to_owned());
            }
        }
        let found = check(&other);
        assert!(found[0].contains("n3 runs"), "{found:?}");
        assert!(found[1].contains("mixed cluster"), "{found:?}");
    }

    #[test]
    fn a_rollback_that_left_the_release_is_found() {
        let mut tape = good();
        tape.lines.push(rest(8_000, "RolledBack"));
        assert!(check(&tape)[0].contains("RolledBack and n1 runs"));
    }

    #[test]
    fn an_old_version_that_answers_is_found() {
        let mut tape = good();
        for line in &mut tape.lines {
            if let Line::Health { version, .. } = line {
                *version = version.as_ref().map(|_| "1.0.0".to_owned());
            }
        }
        assert_eq!(check(&tape).len(), 3);
    }

    #[test]
    fn only_a_node_that_is_removed_before_the_end_is_no_affair_of_the_plan() {
        let on_old = |removed: u64, ended: u64| {
            let mut tape = good();
            for line in &mut tape.lines {
                if let Line::Process(process) = line
                    && process.database == "n3"
                {
                    process.sha256 = Some("old".to_owned());
                }
            }
            let node = "n3".parse().unwrap();
            let end = Fact::PlanStatus {
                plan: PlanId(1),
                from: "InProgress".to_owned(),
                to: "Completed".to_owned(),
                detail: None,
            };
            let mut facts = vec![(removed, Fact::NodeRemoved { node }), (ended, end)];
            facts.sort_by_key(|(index, _)| *index);
            let lines = facts.into_iter().map(|(index, of)| fact(index, 2, of));
            tape.lines.extend(lines);
            check(&tape)
        };
        assert_eq!(on_old(60, 61), Vec::<String>::new());
        assert_eq!(on_old(62, 61).len(), 2);
    }
}

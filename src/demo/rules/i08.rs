//! I8: generations only grow, each is answered once, attempts of a begin only grow, and a sound release is
//! started once for an update that nothing else disturbed.

use std::collections::{BTreeMap, BTreeSet};

use crate::demo::tape::Tape;
use crate::journal::fact::Fact;

/// Between the clock of the journal and that of the observer.
const SLACK_MS: u64 = 200;

pub fn check(tape: &Tape) -> Vec<String> {
    let mut found = Vec::new();
    let mut newest = BTreeMap::new();
    let mut answered = BTreeSet::new();
    let mut attempts = BTreeMap::new();
    let mut taken_ms = BTreeMap::new();
    for written in tape.all_facts() {
        match &written.fact {
            Fact::Taken {
                node, generation, ..
            } => {
                taken_ms.insert((node.clone(), *generation), written.at_ms);
                let before = newest.insert(node.clone(), *generation);
                if before.is_some_and(|before| before >= *generation) {
                    found.push(format!(
                        "{node} was taken as {generation:?} after {before:?}"
                    ));
                }
            }
            Fact::Begun {
                node,
                generation,
                which,
                attempt,
            } => {
                let before = attempts.insert((node.clone(), *generation, *which), *attempt);
                if before.is_some_and(|before| before >= *attempt) {
                    found.push(format!(
                        "{node} began {which:?} of {generation:?} as attempt {attempt} after {before:?}"
                    ));
                }
            }
            Fact::Answered {
                plan,
                node,
                generation,
                answer,
                ..
            } => {
                if !answered.insert((node.clone(), *generation)) {
                    found.push(format!("{node} answered {generation:?} twice"));
                }
                let from_ms = taken_ms.get(&(node.clone(), *generation));
                if let Some(from_ms) = from_ms.filter(|_| answer == "updated") {
                    let plan = plan.to_string();
                    found.extend(starts(tape, &plan, node.as_str(), *from_ms, written.at_ms));
                }
            }
            _ => {}
        }
    }
    found
}

fn starts(tape: &Tape, plan: &str, name: &str, from_ms: u64, to_ms: u64) -> Option<String> {
    tape.plans().find(|of| of.id == plan && of.sound)?;
    let hurt = tape
        .faults()
        .any(|fault| fault.databases.contains(name) || fault.may_fail_plan);
    let within = tape.processes().filter(|process| {
        process.database == name
            && process.started_ms >= from_ms + SLACK_MS
            && process.started_ms <= to_ms
    });
    let count = within.count();
    (count > 1 && !hurt && from_ms >= tape.header.from_ms)
        .then(|| format!("{name} was started {count} times for one update of {plan}"))
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{all_healthy, answered, begun, good, process, taken};
    use super::*;
    use crate::fleet::intent::Which;

    #[test]
    fn a_generation_used_or_answered_twice_is_found() {
        let mut tape = good();
        assert_eq!(check(&tape), Vec::<String>::new());
        tape.lines.push(taken(50, "n2", 1, "update", all_healthy()));
        tape.lines.push(answered(51, "n2", 1, "updated"));
        tape.lines.push(begun(52, "n2", 1, Which::Second, 1));
        let found = check(&tape);
        assert!(found.iter().any(|found| found.contains("was taken as")));
        assert!(found.iter().any(|found| found.contains("twice")));
        assert!(found.iter().any(|found| found.contains("attempt")));
    }

    #[test]
    fn a_second_start_for_one_update_is_found() {
        let mut tape = good();
        tape.lines.push(process("n2", 3_400, Some(3_450), "new"));
        assert!(check(&tape)[0].contains("started 2 times"));
    }
}

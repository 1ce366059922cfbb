//! I7: at most one generation acts on a host, and nothing new starts before an older action ended: no two
//! processes live on one data directory, and no older generation is heard after a newer one.

use std::collections::BTreeMap;

use crate::demo::tape::{Line, Process, Tape};
use crate::journal::fact::Fact;

/// The kernel tells a start to 10 ms; an end is seen at the next look.
const SLACK_MS: u64 = 50;

pub fn check(tape: &Tape) -> Vec<String> {
    let mut found = overlaps(tape);
    let mut newest = BTreeMap::new();
    for written in tape.all_facts() {
        let (node, generation) = match &written.fact {
            Fact::Taken {
                node, generation, ..
            }
            | Fact::StoodDown { node, generation }
            | Fact::Begun {
                node, generation, ..
            }
            | Fact::StepEntered {
                node, generation, ..
            }
            | Fact::Answered {
                node, generation, ..
            } => (node, *generation),
            _ => continue,
        };
        let known = newest.entry(node.clone()).or_insert(generation);
        if generation < *known {
            found.push(format!(
                "{node} acted for {generation:?} at {} after {known:?}",
                written.index
            ));
        }
        *known = generation.max(*known);
    }
    found
}

fn overlaps(tape: &Tape) -> Vec<String> {
    let gap_ms = tape.lines.iter().find_map(|line| match line {
        Line::Gap { ms } => Some(*ms),
        _ => None,
    });
    let slack_ms = gap_ms.unwrap_or_default() + SLACK_MS;
    let mut by_database: BTreeMap<&str, Vec<&Process>> = BTreeMap::new();
    for process in tape.processes() {
        let of = by_database.entry(&process.database).or_default();
        of.push(process);
    }
    let mut found = Vec::new();
    for (name, mut processes) in by_database {
        processes.sort_by_key(|process| process.started_ms);
        for pair in processes.windows(2) {
            let [first, second] = pair else { continue };
            let end = first.ended_ms.unwrap_or(u64::MAX);
            if end > second.started_ms + slack_ms {
                found.push(format!(
                    "two processes of {name} lived together: pid {} until {end}, pid {} from {}",
                    first.pid, second.pid, second.started_ms
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{all_healthy, begun, good, process, taken};
    use super::*;
    use crate::fleet::intent::Which;

    #[test]
    fn two_processes_on_one_directory_are_found() {
        let mut tape = good();
        assert_eq!(check(&tape), Vec::<String>::new());
        tape.lines.push(process("n2", 4_000, None, "old"));
        assert!(check(&tape)[0].contains("lived together"));
    }

    #[test]
    fn an_older_generation_that_acts_is_found() {
        let mut tape = good();
        tape.lines.push(taken(50, "n2", 9, "update", all_healthy()));
        tape.lines.push(begun(51, "n2", 8, Which::Second, 3));
        assert!(check(&tape)[0].contains("acted for"));
    }
}

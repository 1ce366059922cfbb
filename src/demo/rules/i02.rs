//! I2: nodes that served and are down by plan are at no moment more than `max_unavailable`, in real time: by
//! the ends of processes and the databases' own answers, whatever the journal says.

use crate::demo::tape::{Process, Tape};
use crate::fleet::intent::Which;
use crate::journal::fact::Fact;

/// A database counts as one that served when it was healthy this long before its end; a health answer is
/// asked for each 50 ms, and waited for on a busy machine.
const BEFORE_MS: u64 = 600;
/// An end is seen at most so much later than the next process begins.
const SEEN_LATE_MS: u64 = 1_000;

pub fn check(tape: &Tape) -> Vec<String> {
    let mut down: Vec<(u64, u64, &str)> = tape
        .processes()
        .filter(|process| by_plan(tape, process))
        .filter_map(|process| {
            let end = process.ended_ms?;
            let name = process.database.as_str();
            let again = tape.healthy_from(name, end.min(next_start(tape, process, end)));
            let again = again.unwrap_or(tape.header.to_ms);
            Some((end, again, name))
        })
        .collect();
    down.sort_unstable();
    let mut found = Vec::new();
    for (from, _, _) in &down {
        let names: std::collections::BTreeSet<&str> = down
            .iter()
            .filter(|(begin, end, _)| begin <= from && from < end)
            .map(|(.., name)| *name)
            .collect();
        if names.len() > tape.header.max_unavailable {
            found.push(format!("{names:?} were down by plan together at {from}"));
        }
    }
    found
}

/// When the database's next process began: on a busy machine an end may be seen only after that one has answered.
fn next_start(tape: &Tape, process: &Process, end: u64) -> u64 {
    let later = tape.processes().filter(|other| {
        other.database == process.database
            && other.started_ms > process.started_ms
            && other.started_ms + SEEN_LATE_MS >= end
    });
    let starts = later.map(|other| other.started_ms);
    starts.min().unwrap_or(u64::MAX)
}

/// It served, was stopped past a second begin of its node, and no fault had hurt it.
fn by_plan(tape: &Tape, process: &Process) -> bool {
    let Some(end) = process.ended_ms else {
        return false;
    };
    let name = process.database.as_str();
    let served = tape
        .version_at(name, end.saturating_sub(BEFORE_MS))
        .is_some();
    let hurt = tape.faults().any(|fault| {
        fault.databases.contains(name) && fault.from_ms <= end && end <= fault.until_ms + BEFORE_MS
    });
    let begun = tape.facts().any(|written| {
        let second = matches!(&written.fact, Fact::Begun { node, which: Which::Second, .. } if node.as_str() == name);
        second && written.at_ms <= end && written.at_ms >= process.started_ms
    });
    served && !hurt && begun
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{begun, good, health, process};
    use super::*;

    #[test]
    fn two_that_are_down_by_plan_at_once_are_found() {
        let mut tape = good();
        assert_eq!(check(&tape), Vec::<String>::new());
        for name in ["n2", "n3"] {
            tape.lines.push(health(3_000, name, Some("1.0.0")));
            tape.lines.push(process(name, 2_900, Some(7_000), "old"));
            tape.lines.push(begun(6_900, name, 7, Which::Second, 1));
            tape.lines.push(health(7_010, name, None));
            tape.lines.push(health(8_000, name, Some("1.1.0")));
        }
        assert!(check(&tape)[0].contains("together"));
    }

    /// Round 142 of a loaded machine: the end was seen after the next process had answered, and the database
    /// counted as down until it was next told to stop.
    #[test]
    fn an_end_that_is_seen_late_is_no_time_down() {
        let mut tape = good();
        for (name, from) in [("n2", 3_000), ("n3", 7_000)] {
            tape.lines.push(health(from, name, Some("1.0.0")));
            tape.lines
                .push(begun(from + 900, name, 7, Which::Second, 1));
            tape.lines.push(health(from + 1_000, name, None));
            tape.lines.push(health(from + 1_400, name, Some("1.1.0")));
            tape.lines
                .push(process(name, from - 100, Some(from + 1_500), "old"));
            tape.lines.push(process(name, from + 1_100, None, "new"));
        }
        assert_eq!(check(&tape), Vec::<String>::new());
    }
}

//! I5: every database process runs bytes that a plan verified on that node before, or kept there: by
//! `/proc/PID/exe`, not by any path.

use crate::demo::tape::{Process, Tape};
use crate::journal::fact::Fact;

/// A process that was gone sooner could not be hashed.
const LIFE_MS: u64 = 1_000;
/// Between the clock of the journal and that of the observer.
const SLACK_MS: u64 = 200;

pub fn check(tape: &Tape) -> Vec<String> {
    tape.processes()
        .filter_map(|process| {
            let name = &process.database;
            let Some(sha256) = &process.sha256 else {
                let end = process.ended_ms.unwrap_or(tape.header.to_ms);
                return (end.saturating_sub(process.started_ms) > LIFE_MS)
                    .then(|| format!("{name} ran unknown bytes (pid {})", process.pid));
            };
            let known = *sha256 == tape.header.installed
                || kept(tape, process, sha256)
                || verified(tape, process, sha256);
            (!known).then(|| {
                format!(
                    "{name} ran {sha256} (pid {}), which was neither verified nor kept there",
                    process.pid
                )
            })
        })
        .collect()
}

fn kept(tape: &Tape, process: &Process, sha256: &str) -> bool {
    tape.all_facts().any(|written| match &written.fact {
        Fact::Preflight {
            node,
            rollback_target,
            ..
        } => node.as_str() == process.database && rollback_target.digest.to_string() == sha256,
        _ => false,
    })
}

/// The plan called the node staged before the process began.
fn verified(tape: &Tape, process: &Process, sha256: &str) -> bool {
    let plans = tape.plans().filter(|plan| plan.sha256 == sha256);
    plans.into_iter().any(|plan| {
        tape.all_facts().any(|written| match &written.fact {
            Fact::NodeStatus {
                plan: of, node, to, ..
            } => {
                of.to_string() == plan.id
                    && node.as_str() == process.database
                    && to == "Staged"
                    && written.at_ms <= process.started_ms + SLACK_MS
            }
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{good, process};
    use super::*;

    #[test]
    fn bytes_that_nobody_verified_are_found() {
        let mut tape = good();
        assert_eq!(check(&tape), Vec::<String>::new());
        tape.lines.push(process("n1", 4_000, None, "other"));
        assert!(check(&tape)[0].contains("neither verified nor kept"));
    }

    #[test]
    fn a_release_that_runs_before_it_was_staged_is_found() {
        let mut tape = good();
        tape.lines.push(process("n3", 1_500, None, "new"));
        assert!(check(&tape)[0].contains("n3 ran new"));
    }
}

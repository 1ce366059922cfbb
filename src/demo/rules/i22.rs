//! I22: no begin is accepted while faults leave no quorum; an outage within the grace is not called a loss; and
//! a sound release fails on no node for a change of leader alone.

use std::collections::BTreeSet;

use crate::base::numbers::majority;
use crate::demo::tape::{Line, Tape};
use crate::journal::fact::Fact;

/// What was appended just before the fault, or is stamped by a leader that has just woken.
const SETTLE_MS: u64 = 1_500;
const WAKE_MS: u64 = 300;
/// The sampler asks now and then, and waits for answers.
const COARSE_MS: u64 = 2_000;
const BETWEEN_REQUESTS_MS: u64 = 200;
/// The loss is told when there is a quorum again, by an election on a busy machine.
const TOLD_WITHIN_MS: u64 = 15_000;

pub fn check(tape: &Tape) -> Vec<String> {
    let mut found = Vec::new();
    let mut lost = BTreeSet::new();
    for written in tape.facts() {
        match &written.fact {
            Fact::Begun { node, .. } => {
                let away = away(tape, written.at_ms);
                let left = tape.header.nodes.len().saturating_sub(away.len());
                if left < majority(tape.header.nodes.len()) {
                    found.push(format!(
                        "{node} began at {} while {away:?} were away",
                        written.index
                    ));
                }
            }
            Fact::QuorumLost { plan, cause } => {
                lost.insert(plan.to_string());
                if cause.contains("voters") && !was_silent(tape, written.at_ms) {
                    found.push(format!(
                        "{plan}: quorum called lost at {} though members answered: {cause}",
                        written.index
                    ));
                }
            }
            Fact::NodeStatus {
                plan,
                node,
                to,
                detail,
                ..
            } if to == "Failed" => {
                let plan = plan.to_string();
                let sound = tape.plans().any(|of| of.id == plan && of.sound);
                let excused = lost.contains(&plan)
                    || tape
                        .faults()
                        .any(|fault| fault.may_fail_plan || !fault.databases.is_empty());
                if sound && !excused {
                    found.push(format!(
                        "{node} failed in {plan} with a sound release: {detail:?}"
                    ));
                }
            }
            _ => {}
        }
    }
    found
}

/// Daemons that could not take part at that moment.
fn away(tape: &Tape, at_ms: u64) -> BTreeSet<&str> {
    let now = tape
        .faults()
        .filter(|fault| fault.from_ms + SETTLE_MS <= at_ms && at_ms + WAKE_MS <= fault.until_ms);
    now.flat_map(|fault| fault.daemons.iter().map(String::as_str))
        .collect()
}

fn was_silent(tape: &Tape, at_ms: u64) -> bool {
    let long = tape.header.quorum_loss_grace_ms.saturating_sub(COARSE_MS);
    let silences = silences(tape);
    silences.iter().any(|(from_ms, until_ms)| {
        until_ms - from_ms >= long && *from_ms < at_ms && at_ms <= until_ms + TOLD_WITHIN_MS
    })
}

/// Requests that waited in vain one after the other tell of one silence.
fn silences(tape: &Tape) -> Vec<(u64, u64)> {
    let mut silences: Vec<(u64, u64)> = Vec::new();
    for line in &tape.lines {
        let Line::Silence { from_ms, until_ms } = line else {
            continue;
        };
        match silences.last_mut() {
            Some((_, until)) if *from_ms <= *until + BETWEEN_REQUESTS_MS => *until = *until_ms,
            _ => silences.push((*from_ms, *until_ms)),
        }
    }
    silences
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{begun, fact, fault, good};
    use super::*;
    use crate::base::ids::PlanId;
    use crate::fleet::intent::Which;

    #[test]
    fn a_begin_without_quorum_is_found() {
        let mut tape = good();
        tape.lines.push(begun(5_000, "n2", 9, Which::Second, 1));
        tape.lines.push(fault("freeze", &["n1"], &[]));
        assert_eq!(check(&tape), Vec::<String>::new());
        tape.lines.push(fault("freeze", &["n3"], &[]));
        assert!(check(&tape)[0].contains("were away"));
    }

    #[test]
    fn a_loss_that_was_none_is_found() {
        let mut tape = good();
        let cause = "the voters were silent".to_owned();
        let plan = PlanId(1);
        tape.lines
            .push(fact(50, 2, Fact::QuorumLost { plan, cause }));
        assert!(check(&tape)[0].contains("though members answered"));
        tape.lines.push(Line::Silence {
            from_ms: 2_000,
            until_ms: 4_000,
        });
        assert!(check(&tape)[0].contains("though members answered"));
        tape.lines.push(Line::Silence {
            from_ms: 4_100,
            until_ms: 8_000,
        });
        assert_eq!(check(&tape), Vec::<String>::new());
    }

    #[test]
    fn a_sound_release_that_fails_for_nothing_is_found() {
        let mut tape = good();
        let failed = Fact::NodeStatus {
            plan: PlanId(1),
            node: "n2".parse().unwrap(),
            from: "Updating".to_owned(),
            to: "Failed".to_owned(),
            class: None,
            detail: None,
        };
        tape.lines.push(fact(50, 2, failed));
        assert!(check(&tape)[0].contains("with a sound release"));
    }
}

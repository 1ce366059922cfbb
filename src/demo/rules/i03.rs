//! I3: no node is taken for an update while another, on the recorded evidence, is unhealthy or unknown. Slot
//! holders are in hand already, a skipped node does not block, and sick nodes do not wait for one another.

use std::collections::BTreeSet;

use super::slots::{held, holds};
use crate::base::limits::HEALTH_AGE_MAX;
use crate::demo::tape::Tape;
use crate::journal::fact::Fact;

pub fn check(tape: &Tape) -> Vec<String> {
    let slots = held(tape);
    let mut skipped = BTreeSet::new();
    let mut found = Vec::new();
    for written in tape.facts() {
        match &written.fact {
            Fact::NodeStatus { node, to, .. } if to == "Skipped" => {
                skipped.insert(node.to_string());
            }
            Fact::Taken {
                node,
                goal,
                evidence,
                ..
            } if goal == "update" => {
                let seen = |name: &str| {
                    let of = evidence.iter().find(|seen| seen.node.as_str() == name);
                    of.filter(|seen| seen.age_ms <= HEALTH_AGE_MAX.0)
                        .map(|seen| seen.healthy)
                };
                let sick = seen(node.as_str()) == Some(false);
                let place = (written.index, written.ordinal);
                let others = tape.header.nodes.iter().filter(|name| {
                    name.as_str() != node.as_str()
                        && !skipped.contains(*name)
                        && !holds(&slots, name, place)
                });
                for name in others {
                    match seen(name) {
                        Some(true) => {}
                        Some(false) if sick => {}
                        word => found.push(format!(
                            "{node} was taken at {} while {name} was {}",
                            written.index,
                            if word.is_none() {
                                "unknown"
                            } else {
                                "unhealthy"
                            }
                        )),
                    }
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{good, seen, taken};
    use super::*;

    #[test]
    fn a_take_beside_a_sick_or_unknown_node_is_found() {
        for (evidence, word) in [
            (vec![seen("n1", true), seen("n2", true)], "n3 was unknown"),
            (
                vec![seen("n1", true), seen("n2", false), seen("n3", true)],
                "n2 was unhealthy",
            ),
        ] {
            let mut tape = good();
            assert_eq!(check(&tape), Vec::<String>::new());
            tape.lines.push(taken(50, "n1", 9, "update", evidence));
            assert!(check(&tape)[0].contains(word), "{word}");
        }
    }
}

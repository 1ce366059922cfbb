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
                let others = tape.members_at(place).into_iter().filter(|name| {
                    *name != node.as_str()
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
    use super::super::fabricated::{all_healthy, fact, good, seen, taken};
    use super::*;
    use crate::base::ids::MemberId;

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

    #[test]
    fn a_take_beside_an_unknown_node_that_joined_is_found_until_it_is_removed() {
        let mut tape = good();
        let joined = Fact::NodeJoined {
            node: "n4".parse().unwrap(),
            member: MemberId(4),
        };
        let removed = Fact::NodeRemoved {
            node: "n4".parse().unwrap(),
        };
        tape.lines.push(fact(49, 2, joined));
        tape.lines.push(taken(50, "n1", 9, "update", all_healthy()));
        assert_eq!(check(&tape), ["n1 was taken at 50 while n4 was unknown"]);
        tape.lines.push(fact(51, 2, removed));
        tape.lines
            .push(taken(52, "n1", 10, "update", all_healthy()));
        assert_eq!(check(&tape).len(), 1);
    }
}

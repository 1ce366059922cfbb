//! I4: the node of the leader of the take's own term is never taken first, unless the handoff is recorded as
//! failed in that term; and a first begin is accepted only in its take's term.

use std::collections::{BTreeMap, BTreeSet};

use crate::demo::tape::Tape;
use crate::fleet::intent::Which;
use crate::journal::fact::Fact;

pub fn check(tape: &Tape) -> Vec<String> {
    let mut excused = BTreeSet::new();
    let mut terms = BTreeMap::new();
    let mut found = Vec::new();
    for written in tape.all_facts() {
        match &written.fact {
            Fact::HandoffFailed { .. } => {
                excused.insert(written.term);
            }
            Fact::Taken {
                node,
                generation,
                leader,
                first,
                ..
            } => {
                terms.insert((node.clone(), *generation), written.term);
                let leads = tape.node_of(*leader) == Some(node.as_str());
                if *first && leads && !excused.contains(&written.term) {
                    found.push(format!(
                        "{node} led term {} and was taken first at {}",
                        written.term, written.index
                    ));
                }
            }
            Fact::Begun {
                node,
                generation,
                which: Which::First,
                ..
            } => {
                let taken = terms.get(&(node.clone(), *generation));
                if taken != Some(&written.term) {
                    found.push(format!(
                        "{node} began in term {} what was taken in {taken:?}",
                        written.term
                    ));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{all_healthy, begun, good, taken, taken_by};
    use super::*;

    #[test]
    fn the_leaders_own_node_taken_first_is_found() {
        let mut tape = good();
        assert_eq!(check(&tape), Vec::<String>::new());
        tape.lines
            .push(taken_by(1, taken(50, "n1", 9, "update", all_healthy())));
        assert!(check(&tape)[0].contains("taken first"));
    }

    #[test]
    fn a_first_begin_in_another_term_is_found() {
        let mut tape = good();
        tape.lines.push(begun(60, "n2", 99, Which::First, 1));
        assert!(check(&tape)[0].contains("began in term"));
    }
}

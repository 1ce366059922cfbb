//! I1: on the evidence that an accepted take recorded, enough databases stay healthy; and never more slots
//! are held by nodes that served when taken than are allowed.

use super::slots::{held, holds};
use crate::base::limits::HEALTH_AGE_MAX;
use crate::demo::tape::Tape;
use crate::journal::fact::Fact;

pub fn check(tape: &Tape) -> Vec<String> {
    let slots = held(tape);
    let mut found = Vec::new();
    for written in tape.facts() {
        let Fact::Taken {
            node,
            goal,
            first,
            evidence,
            ..
        } = &written.fact
        else {
            continue;
        };
        let place = (written.index, written.ordinal);
        let own = evidence.iter().find(|seen| seen.node == *node);
        let served = own.is_some_and(|own| own.healthy);
        let healthy = evidence
            .iter()
            .filter(|seen| seen.node != *node && seen.healthy)
            .filter(|seen| seen.age_ms <= HEALTH_AGE_MAX.0)
            .filter(|seen| !holds(&slots, seen.node.as_str(), place))
            .count();
        // A node that is taken back because it is sick asks for nobody's health.
        let asks = goal == "update" || (*first && served);
        let needed = tape.min_available_at(place);
        if asks && healthy < needed {
            found.push(format!(
                "{node} was taken at {} with {healthy} healthy others, {needed} are needed",
                written.index
            ));
        }
        let others = slots.iter().filter(|held| {
            held.served && held.node != node.as_str() && held.from < place && held.until > place
        });
        let count = others.count() + usize::from(served);
        if *first && count > tape.header.max_unavailable {
            found.push(format!(
                "{count} slots of nodes that served are held at {}, {} are allowed",
                written.index, tape.header.max_unavailable
            ));
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
    fn a_take_that_leaves_too_few_is_found() {
        let mut tape = good();
        assert_eq!(check(&tape), Vec::<String>::new());
        let evidence = vec![seen("n1", true), seen("n2", false), seen("n3", false)];
        tape.lines.push(taken(50, "n1", 9, "update", evidence));
        assert!(check(&tape)[0].contains("healthy others"));
    }

    #[test]
    fn two_slots_of_nodes_that_served_are_found() {
        let mut tape = good();
        let all = || vec![seen("n1", true), seen("n2", true), seen("n3", true)];
        tape.lines.push(taken(50, "n1", 9, "update", all()));
        assert_eq!(check(&tape), Vec::<String>::new());
        tape.lines.push(taken(51, "n2", 9, "update", all()));
        assert!(check(&tape).iter().any(|found| found.contains("slots")));
    }

    #[test]
    fn what_is_enough_follows_the_members() {
        let with = |change: Fact, evidence| {
            let mut tape = good();
            tape.lines.push(fact(49, 2, change));
            tape.lines.push(taken(50, "n1", 9, "update", evidence));
            check(&tape)
        };
        let joined = Fact::NodeJoined {
            node: "n4".parse().unwrap(),
            member: MemberId(4),
        };
        // Of four, three must stay.
        assert_eq!(with(joined, all_healthy()).len(), 1);
        let removed = || Fact::NodeRemoved {
            node: "n3".parse().unwrap(),
        };
        let both = vec![seen("n1", true), seen("n2", true)];
        assert_eq!(with(removed(), both), Vec::<String>::new());
        let one = vec![seen("n1", true), seen("n2", false)];
        assert_eq!(with(removed(), one).len(), 1);
    }

    #[test]
    fn a_removed_node_holds_no_slot() {
        let mut tape = good();
        tape.lines.push(taken(50, "n3", 9, "update", all_healthy()));
        let removed = Fact::NodeRemoved {
            node: "n3".parse().unwrap(),
        };
        tape.lines.push(fact(51, 2, removed));
        let both = vec![seen("n1", true), seen("n2", true)];
        tape.lines.push(taken(52, "n1", 9, "update", both));
        assert_eq!(check(&tape), Vec::<String>::new());
    }
}

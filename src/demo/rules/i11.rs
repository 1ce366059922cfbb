//! I11: after the faults stop, the plan reaches a final or operator-wait status within its bound, and no node
//! whose database is healthy is left out of traffic.

use crate::demo::tape::Tape;

const RESTING: [&str; 5] = ["Completed", "Failed", "RolledBack", "Cancelled", "Paused"];

pub fn check(tape: &Tape) -> Vec<String> {
    let mut found = Vec::new();
    for plan in tape.plans() {
        if !tape.rests().any(|rest| rest.plan == plan.id) {
            found.push(format!("{} never came to rest", plan.id));
        }
    }
    for rest in tape.rests() {
        if !RESTING.contains(&rest.status.as_str()) {
            found.push(format!("{} is still {}", rest.plan, rest.status));
        }
        let before = tape.faults().filter(|fault| fault.from_ms <= rest.at_ms);
        let last = before.map(|fault| fault.until_ms).max();
        let since = last.unwrap_or_default().max(tape.header.from_ms);
        let took = rest.at_ms.saturating_sub(since);
        if took > tape.header.rest_within_ms {
            found.push(format!("{} came to rest after {took} ms", rest.plan));
        }
        for (name, ready) in &rest.ready {
            if !ready && tape.version_at(name, rest.at_ms).is_some() {
                found.push(format!("{name} is healthy and left out of traffic"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{good, rest};
    use super::*;
    use crate::demo::tape::Line;

    #[test]
    fn a_plan_that_does_not_rest_or_too_late_is_found() {
        assert_eq!(check(&good()), Vec::<String>::new());
        let mut none = good();
        none.lines.retain(|line| !matches!(line, Line::Rest(_)));
        assert!(check(&none)[0].contains("never came to rest"));
        let mut moving = good();
        moving.lines.push(rest(8_000, "InProgress"));
        assert!(check(&moving)[0].contains("still InProgress"));
        let mut late = good();
        late.lines.push(rest(1_000_000, "Completed"));
        assert!(check(&late)[0].contains("after 999000 ms"));
    }

    #[test]
    fn a_node_that_is_left_drained_is_found() {
        let mut tape = good();
        for line in &mut tape.lines {
            if let Line::Rest(rest) = line {
                rest.ready.insert("n2".to_owned(), false);
            }
        }
        assert!(check(&tape)[0].contains("left out of traffic"));
    }
}

//! I18: what clients saw acknowledged is there afterwards, always; and no client request fails, unless a fault
//! or a release took a database away while it served.

use crate::demo::tape::{Line, Tape};

pub fn check(tape: &Tape) -> Vec<String> {
    let hurt = tape.faults().any(|fault| !fault.databases.is_empty())
        || tape.plans().any(|plan| plan.harms_clients);
    let mut found = Vec::new();
    let mut sent = 0;
    for line in &tape.lines {
        let Line::Traffic(traffic) = line else {
            continue;
        };
        sent += traffic.sent;
        if traffic.failed > 0 && !hurt {
            found.push(format!(
                "{} of {} requests failed: {:?}",
                traffic.failed, traffic.sent, traffic.quoted
            ));
        }
        if traffic.read_back != traffic.acknowledged {
            found.push(format!(
                "{} of {} acknowledged writes were looked for",
                traffic.read_back, traffic.acknowledged
            ));
        }
        let lost = traffic.lost.iter();
        found.extend(lost.map(|lost| format!("an acknowledged write is lost: {lost}")));
    }
    if sent == 0 {
        found.push("there was no traffic".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{fault, good};
    use super::*;

    fn with(change: impl Fn(&mut crate::demo::tape::Traffic)) -> Tape {
        let mut tape = good();
        for line in &mut tape.lines {
            if let Line::Traffic(traffic) = line {
                change(traffic);
            }
        }
        tape
    }

    #[test]
    fn failed_requests_and_lost_writes_are_found() {
        assert_eq!(check(&good()), Vec::<String>::new());
        let mut failed = with(|traffic| traffic.failed = 1);
        assert!(check(&failed)[0].contains("requests failed"));
        failed.lines.push(fault("kill", &[], &["n1"]));
        assert_eq!(check(&failed), Vec::<String>::new());
        let mut lost = with(|traffic| traffic.lost.push("key".to_owned()));
        lost.lines.push(fault("kill", &[], &["n1"]));
        assert!(check(&lost)[0].contains("is lost"));
        let unread = with(|traffic| traffic.read_back = 0);
        assert!(check(&unread)[0].contains("looked for"));
        let silent = with(|traffic| *traffic = Default::default());
        assert!(check(&silent)[0].contains("no traffic"));
    }
}

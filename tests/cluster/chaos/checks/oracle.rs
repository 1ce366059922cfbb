//! The client's oracle: what was acknowledged is there, what was certainly not written is not, and what is
//! unknown may be either (I12).

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Acknowledged,
    Never,
    Unknown,
}

/// `there`: the names that the cluster has in the end, read through one member.
pub fn judge(written: &BTreeMap<String, Written>, there: &BTreeSet<String>) -> Result<(), String> {
    for (name, answer) in written {
        match (answer, there.contains(name)) {
            (Written::Acknowledged, false) => {
                return Err(format!("{name} was acknowledged and is lost"));
            }
            (Written::Never, true) => {
                return Err(format!("{name} was called not written, and there it is"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn a_lost_write_and_a_denied_one_are_caught() {
    let written = |answer| BTreeMap::from([("a".to_owned(), answer)]);
    let there = BTreeSet::from(["a".to_owned()]);
    let nothing = BTreeSet::new();
    assert!(judge(&written(Written::Acknowledged), &nothing).is_err());
    assert!(judge(&written(Written::Never), &there).is_err());
    assert_eq!(judge(&written(Written::Acknowledged), &there), Ok(()));
    assert_eq!(judge(&written(Written::Never), &nothing), Ok(()));
    for there in [&there, &nothing] {
        assert_eq!(judge(&written(Written::Unknown), there), Ok(()));
    }
}

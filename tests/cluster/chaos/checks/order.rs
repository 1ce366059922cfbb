//! Real-time order, by the log's own numbers: what began after something else had ended stands behind it
//! in the log, and a read shows a state that the log had at its place.

/// One answered request: when, and the index its answer rests on.
#[derive(Debug, Clone)]
pub struct Placed {
    pub what: String,
    pub began_ns: u64,
    pub ended_ns: u64,
    pub index: u64,
    /// A write has its index for itself.
    pub writes: bool,
}

pub fn judge(requests: &[Placed]) -> Result<(), String> {
    let mut by_begin: Vec<&Placed> = requests.iter().collect();
    by_begin.sort_by_key(|one| one.began_ns);
    let mut by_end = by_begin.clone();
    by_end.sort_by_key(|one| one.ended_ns);
    let mut ended = by_end.into_iter().peekable();
    let mut newest: Option<&Placed> = None;
    for one in by_begin {
        while let Some(before) = ended.next_if(|before| before.ended_ns < one.began_ns) {
            if newest.is_none_or(|newest| newest.index < before.index) {
                newest = Some(before);
            }
        }
        let Some(before) = newest else { continue };
        if one.index < before.index || (one.writes && one.index == before.index) {
            return Err(format!(
                "{} rests on {}, and {} had ended before it began with {}",
                one.what, one.index, before.what, before.index
            ));
        }
    }
    Ok(())
}

#[test]
fn a_read_of_the_past_is_caught() {
    let request = |what: &str, began_ns, ended_ns, index, writes| Placed {
        what: what.to_owned(),
        began_ns,
        ended_ns,
        index,
        writes,
    };
    let write = request("write", 0, 10, 7, true);
    let during = request("read", 5, 12, 6, false);
    let after = request("read", 11, 12, 6, false);
    let same = request("read", 11, 12, 7, false);
    assert_eq!(judge(&[write.clone(), during]), Ok(()));
    assert_eq!(judge(&[write.clone(), same]), Ok(()));
    assert!(judge(&[after, write.clone()]).is_err());
    let second = request("write", 11, 12, 7, true);
    assert!(judge(&[write, second]).is_err());
}

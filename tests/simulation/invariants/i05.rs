//! I5: every database process started by us runs a binary that was verified on that host (staged for a plan) or
//! kept there (a rollback target), or the one it ran before any plan.

use std::collections::BTreeSet;

use aegis_updates::base::digest::Digest;

pub fn judge(
    started: Digest,
    first: Digest,
    staged: &BTreeSet<Digest>,
    kept: &BTreeSet<Digest>,
) -> Result<(), String> {
    if started == first || staged.contains(&started) || kept.contains(&started) {
        return Ok(());
    }
    Err(format!(
        "{} was started and never verified on this host",
        started.short()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_from_nowhere_is_caught() {
        let (first, other) = (Digest::of(b"first"), Digest::of(b"other"));
        let (none, with) = (BTreeSet::new(), BTreeSet::from([other]));
        assert_eq!(judge(first, first, &none, &none), Ok(()));
        assert_eq!(judge(other, first, &with, &none), Ok(()));
        assert!(judge(other, first, &none, &none).is_err());
    }
}

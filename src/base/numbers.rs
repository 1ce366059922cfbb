//! Quorum arithmetic. Counts are of the configured members, never of the living ones.

/// More than half of `count`.
pub const fn majority(count: usize) -> usize {
    count / 2 + 1
}

/// The greatest number that a majority of `count` reaches, of whom the rest did not say.
pub fn reached_by_majority(told: impl IntoIterator<Item = u64>, count: usize) -> Option<u64> {
    let mut told: Vec<u64> = told.into_iter().collect();
    told.sort_unstable_by(|a, b| b.cmp(a));
    told.get(majority(count) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::{majority, reached_by_majority};

    #[test]
    fn no_minority_raises_what_a_majority_reaches_and_the_silent_raise_nothing() {
        for (told, count, reached) in [
            (&[7][..], 1, Some(7)),
            (&[7, 90], 2, Some(7)),
            (&[8, 90, 7], 3, Some(8)),
            (&[8, 1, 7], 3, Some(7)),
            (&[90, 7], 3, Some(7)),
            (&[90, 7], 4, None),
            (&[90, 91, 7, 8, 9], 5, Some(9)),
            (&[90], 3, None),
            (&[], 0, None),
        ] {
            assert_eq!(reached_by_majority(told.iter().copied(), count), reached);
        }
    }

    #[test]
    fn two_majorities_always_meet() {
        for count in 1..100 {
            assert!(2 * majority(count) > count);
            assert!(2 * (majority(count) - 1) <= count);
        }
    }
}

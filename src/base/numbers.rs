//! Quorum arithmetic. Counts are of the configured members, never of the living ones.

/// More than half of `count`.
pub const fn majority(count: usize) -> usize {
    count / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::majority;

    #[test]
    fn two_majorities_always_meet() {
        for count in 1..100 {
            assert!(2 * majority(count) > count);
            assert!(2 * (majority(count) - 1) <= count);
        }
    }
}

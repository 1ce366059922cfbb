//! I8: a step is never done twice with effect: one rename to each
//! binary (to another one it is a way back) and, but for the allowed retry of a start, one stop of
//! a living process for each generation. What an isolated host restores by itself is one more of each.

/// How often this happened for one generation, and how often the host acted alone meanwhile.
pub fn judge(what: &str, times: u32, allowed: u32, alone: bool) -> Result<(), String> {
    if times <= allowed + u32::from(alone) {
        return Ok(());
    }
    Err(format!(
        "{what} was done {times} times with effect for one generation"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_swap_is_caught() {
        assert_eq!(judge("swap", 1, 1, false), Ok(()));
        assert_eq!(judge("swap", 2, 1, true), Ok(()));
        assert!(judge("swap", 2, 1, false).is_err());
    }
}

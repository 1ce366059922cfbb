//! What one is told of a database by others (SPEC §4, §6): silence is no sickness, and a word from before a restart
//! says nothing of what came after it.

use super::losses::Word;

/// A leader fails an updated node for ill health; this is what it heard of its database.
pub fn fell_ill(word: &Word) -> Result<(), String> {
    match word.lost_for_ms {
        Some(_) => Ok(()),
        None => Err(format!(
            "called ill, though nobody says so; last called healthy {} ms ago",
            word.healthy_ago_ms
        )),
    }
}

/// A host takes its peers' word for it that its database is back.
pub fn seen_again(stopped_ms: u64, heard_ms: u64) -> Result<(), String> {
    if heard_ms > stopped_ms {
        return Ok(());
    }
    Err(format!(
        "taken for seen by its peers, who last heard it {} ms before it was stopped",
        stopped_ms - heard_ms
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_taken_for_sickness_and_an_old_word_taken_for_new_are_caught() {
        let word = |lost_for_ms| Word {
            healthy_ago_ms: 9_000,
            lost_for_ms,
        };
        assert_eq!(fell_ill(&word(Some(9_000))), Ok(()));
        assert!(fell_ill(&word(None)).is_err());
        assert_eq!(seen_again(5_000, 6_000), Ok(()));
        assert!(seen_again(5_000, 4_500).is_err());
    }
}

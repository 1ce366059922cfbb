//! I7: at most one generation acts on a host; nothing new starts before an older act ended.

use aegis_updates::base::ids::Generation;

/// An act starts for `generation` on a host whose newest acting generation was `newest`.
pub fn judge(
    generation: Generation,
    newest: Generation,
    running: Option<u64>,
) -> Result<(), String> {
    if let Some(older) = running {
        return Err(format!(
            "an act for {generation} starts while act {older} runs"
        ));
    }
    if generation < newest {
        return Err(format!(
            "an act for {generation} starts after one for {newest}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_generation_and_a_second_act_are_caught() {
        let generation = |number| Generation {
            incarnation: 1,
            number,
        };
        assert_eq!(judge(generation(2), generation(2), None), Ok(()));
        assert!(judge(generation(1), generation(2), None).is_err());
        assert!(judge(generation(3), generation(2), Some(7)).is_err());
    }
}

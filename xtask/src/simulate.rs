//! `cargo xtask simulate [--seeds N] [--from N] [--trace LINES] [--failures N]`: the simulation's seeds, as
//! many as one likes. A failing seed prints this command for itself alone.

use crate::setup::{self, FEATURES};
use crate::step::{Failure, run};

/// The flags, and the variables by which the test binary is told.
const FLAGS: [(&str, &str); 4] = [
    ("--seeds", "SEEDS"),
    ("--from", "FROM"),
    ("--trace", "TRACE"),
    ("--failures", "FAILURES"),
];

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    let told = variables(arguments)?;
    let ready = setup::ready()?;
    run(ready
        .cargo()
        .args(["test", "--package", "aegis-updates", "--test", "simulation"])
        .args(FEATURES)
        .args(["--", "--exact", "seeds", "--nocapture"])
        .envs(told))
}

fn variables(arguments: &[String]) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut told = Vec::new();
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let Some((_, variable)) = FLAGS.iter().find(|(known, _)| known == flag) else {
            return Err(Failure(format!("simulate knows no {flag:?}")));
        };
        let number = rest.next().filter(|value| value.parse::<u64>().is_ok());
        let number = number.ok_or_else(|| Failure(format!("{flag} wants a number")))?;
        told.push((*variable, number.clone()));
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_variables() {
        let told = |text: &str| {
            variables(
                &text
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        let wanted = vec![("SEEDS", "1".to_owned()), ("FROM", "7".to_owned())];
        assert_eq!(told("--seeds 1 --from 7").ok(), Some(wanted));
        assert!(
            told("--seeds").is_err() && told("--seeds x").is_err() && told("--seed 1").is_err()
        );
    }
}

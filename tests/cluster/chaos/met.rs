//! What the rounds met, by name: faults, what operators did, how plans ended.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use super::ground::FAULTS;

#[derive(Debug, Default)]
pub struct Met(Mutex<BTreeMap<String, u64>>);

impl Met {
    pub fn count(&self, what: &str) {
        *self.0.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }

    /// What this many rounds must have met, for the table of long runs.
    pub fn least(rounds: u64) -> String {
        let each = FAULTS
            .iter()
            .map(|(what, least)| format!("{what}={}", least * rounds / 100));
        format!("at least: {}", each.collect::<Vec<_>>().join(" "))
    }

    /// The kinds that came up short in this many rounds.
    pub fn lacking(&self, rounds: u64) -> Vec<String> {
        let short = FAULTS
            .iter()
            .map(|(what, least)| (*what, self.of(what), least * rounds / 100))
            .filter(|(_, met, least)| met < least);
        short
            .map(|(what, met, least)| format!("{what}: {met}, at least {least}"))
            .collect()
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faults:")?;
        for (what, _) in FAULTS {
            write!(f, " {what}={}", self.of(what))?;
        }
        f.write_str(" covered:")?;
        let met = self.0.lock().unwrap();
        let others = met
            .iter()
            .filter(|(what, _)| FAULTS.iter().all(|(fault, _)| fault != what));
        for (what, times) in others {
            write!(f, " {what}={times}")?;
        }
        Ok(())
    }
}

#[test]
fn a_kind_of_fault_that_never_came_is_told() {
    let met = Met::default();
    for _ in 0..50 {
        met.count("kill");
    }
    let lacking = met.lacking(100);
    assert_eq!(lacking.len(), FAULTS.len() - 1, "{lacking:?}");
    let second = FAULTS[1].0;
    let begins = format!("faults: kill=50 {second}=0 ");
    assert!(met.to_string().starts_with(&begins));
}

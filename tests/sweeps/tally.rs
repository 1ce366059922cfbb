//! What a sweep did, in the one line that the table of a long run is made of.

use std::collections::BTreeMap;
use std::fmt;

use tokio::time::Instant;

pub struct Tally {
    net: &'static str,
    began: Instant,
    runs: usize,
    faults: BTreeMap<String, usize>,
    covered: BTreeMap<String, usize>,
    violations: Vec<String>,
}

impl Tally {
    pub fn new(net: &'static str) -> Self {
        Self {
            net,
            began: Instant::now(),
            runs: 0,
            faults: BTreeMap::new(),
            covered: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    /// One run with this fault; how it ended, or what was violated.
    pub fn ran(&mut self, fault: &str, outcome: Result<String, String>) {
        self.runs += 1;
        *self.faults.entry(fault.to_owned()).or_default() += 1;
        match outcome {
            Ok(ended) => *self.covered.entry(ended).or_default() += 1,
            Err(why) => {
                println!("VIOLATION {fault}: {why}");
                self.violations.push(format!("{fault}: {why}"));
            }
        }
    }

    /// Prints the line; fails the test when there was a violation.
    pub fn end(self) {
        println!("{self}");
        assert!(
            self.violations.is_empty(),
            "{}: {:#?}",
            self.net,
            self.violations
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, usize>| {
            let each = counts.iter().map(|(name, count)| format!("{name}={count}"));
            each.collect::<Vec<_>>().join(" ")
        };
        write!(
            f,
            "net {}: runs={} violations={} seconds={:.0} faults: {} covered: {}",
            self.net,
            self.runs,
            self.violations.len(),
            self.began.elapsed().as_secs_f64(),
            list(&self.faults),
            list(&self.covered)
        )
    }
}

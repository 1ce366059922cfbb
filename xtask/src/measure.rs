//! `cargo xtask measure`: figures of leadership on real daemons, one line each. What is measured, and how, is
//! in tests/daemons/measure.

use crate::setup::{self, FEATURES};
use crate::step::{Failure, run};

const KNOWN: &str = "failover [--frozen] [--count N] | handoff [--count N] | calm [--minutes N]";

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    let usage = || Failure(format!("measure knows {KNOWN}"));
    let (what, mut rest) = arguments.split_first().ok_or_else(usage)?;
    let test = match what.as_str() {
        "failover" => "measure::failover::failover",
        "handoff" => "measure::leadership::handoff",
        "calm" => "measure::leadership::calm",
        _ => return Err(usage()),
    };
    let mut variables = Vec::new();
    while let Some((flag, others)) = rest.split_first() {
        rest = others;
        let variable = match flag.as_str() {
            "--frozen" => {
                variables.push(("FROZEN", "1".to_owned()));
                continue;
            }
            "--count" => "N",
            "--minutes" => "MINUTES",
            _ => return Err(usage()),
        };
        let (value, others) = rest.split_first().ok_or_else(usage)?;
        variables.push((variable, value.clone()));
        rest = others;
    }
    let ready = setup::ready()?;
    run(ready
        .cargo()
        .args(["build", "--workspace", "--bins", "--examples"])
        .args(FEATURES))?;
    run(ready
        .cargo()
        .envs(variables)
        .args(["test", "--test", "daemons"])
        .args(FEATURES)
        .args(["--", "--ignored", "--exact", test, "--nocapture"]))
}

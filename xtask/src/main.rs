//! The project's own commands, `cargo xtask <verb>`: one file per verb, dispatched here. Compiles
//! nothing native, so that it can prepare a machine on which nothing else builds yet.

mod aegis;
mod canaries;
mod demo;
mod executables;
mod matrix;
mod measure;
mod mutants;
mod nets;
mod setup;
mod simulate;
mod test;

mod counts;
mod packages;
mod rocksdb;
mod schemathesis;
mod source;
mod step;

use std::process::ExitCode;

use step::{Failure, say};

const USAGE: &str = "\
usage: cargo xtask <verb> [arguments]
  test    set up, then format, lints and every test of the workspace, counted per net
  simulate [--seeds N] [--from N] [--trace LINES]: the simulation, seed by seed
  nets [--seeds N] [--rounds N] [--cuts N] [--hours N] [--from N] [--release] [NET …]: the nets as long as one
          likes, and their table; --release compiles them optimised, for a long run
  canaries [NAME …]: plant each bug of the list, and see which net catches it and how fast
  mutants [FILE …]: change the pure floors one place at a time, and see whether a test notices
  demo    set up, build, and run `aegis-updates demo` with the arguments that follow
  matrix  set up, then every cell of the crash matrix on real daemons (most of an hour)
  measure failover [--frozen] [--count N] | handoff [--count N] | calm [--minutes N]: leadership in figures
  aegis [--rounds N [--from N]]: set up, then the real aegis-server 0.2.6 and 0.3.0 behind HAProxy (builds both
          once); with rounds, 0.2.6 → 0.3.0 → back so often, the leader's daemon killed in every second one
  setup   install what the build needs, build RocksDB once, print the variables that use it";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatched(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format!("FAILED: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatched(arguments: &[String]) -> Result<(), Failure> {
    match arguments.split_first() {
        Some((verb, rest)) => match verb.as_str() {
            "test" => test::verb(rest),
            "demo" => demo::verb(rest),
            "aegis" => aegis::verb(rest),
            "matrix" => matrix::verb(rest),
            "measure" => measure::verb(rest),
            "setup" => setup::verb(rest),
            "nets" => nets::verb(rest),
            "canaries" => canaries::verb(rest),
            "mutants" => mutants::verb(rest),
            "simulate" => simulate::verb(rest),
            "help" | "--help" | "-h" => {
                println!("{USAGE}");
                Ok(())
            }
            other => Err(Failure(format!("no verb {other:?}\n{USAGE}"))),
        },
        None => Err(Failure(format!("no verb given\n{USAGE}"))),
    }
}

//! The program as the build of the next cluster version: only built with that feature, for the tests.

use std::process::ExitCode;

#[path = "main.rs"]
mod program;

fn main() -> ExitCode {
    program::main()
}

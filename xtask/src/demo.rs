//! `cargo xtask demo`: builds the binary and the reference node, then becomes `aegis-updates demo`.
//! Holds nothing of what the demo shows.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::setup::{self, FEATURES};
use crate::step::{Failure, run, say, shown};

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    let ready = setup::ready()?;
    run(ready
        .cargo()
        .args(["build", "--workspace", "--bins", "--examples"])
        .args(FEATURES))?;
    let built = ready.target_directory().join("debug");
    let mut demo = Command::new(built.join("aegis-updates"));
    demo.args(["demo", "--reference-node"])
        .arg(built.join("examples").join("reference-node"))
        .args(arguments);
    say(shown(&demo));
    // Replacing this process gives the demo the terminal, its signals, and its own exit status.
    let error = demo.exec();
    Err(Failure(format!("cannot start {}: {error}", shown(&demo))))
}

//! `cargo xtask matrix`: every cell of the crash matrix on real daemons, one after the other, with its
//! table. The cells and what must come of them are in tests/daemons.

use crate::setup::{self, FEATURES};
use crate::step::{Failure, run};

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure(format!(
            "matrix runs every cell and takes no arguments, not {argument:?}"
        )));
    }
    let ready = setup::ready()?;
    run(ready
        .cargo()
        .args(["build", "--workspace", "--bins", "--examples"])
        .args(FEATURES))?;
    // The table comes as it grows; nextest would end a test that takes most of an hour.
    run(ready
        .cargo()
        .args(["test", "--test", "daemons"])
        .args(FEATURES)
        .args(["--", "--ignored", "--exact", "matrix::every_cell"])
        .arg("--nocapture"))
}

//! `aegis-updates demo --check FILE`: judges a record of real daemons again, without them.

use std::path::Path;

use super::live::say;
use super::rules;
use super::tape::Tape;
use crate::cli::Exit;

pub fn run(path: &Path) -> Exit {
    let tape = match Tape::read(path) {
        Ok(tape) => tape,
        Err(error) => {
            say(&format!("the record cannot be judged: {error}"));
            return Exit::Internal;
        }
    };
    let mut bad = 0;
    for (name, found) in rules::judge(&tape) {
        say(&format!("{name}: {} violations", found.len()));
        for violation in &found {
            say(&format!("  {violation}"));
        }
        bad += found.len();
    }
    if bad == 0 {
        Exit::Reached
    } else {
        Exit::Internal
    }
}

//! One line of log on standard error. A reader that is gone must not matter: a database that stops
//! taking writes because its log pipe closed is a fault of another product, not of this one.

use std::io::Write;

pub fn say(line: &str) {
    // A failed write has nowhere to be reported to.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

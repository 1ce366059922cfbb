//! How every word leaves the program: data to stdout, all else to stderr. A reader that has gone away,
//! as `head` does, ends the words and not the work.

use std::io::Write as _;

/// One line, or several, of data.
pub fn data(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// One line for a person.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A line for a person, formatted as `format!` does.
macro_rules! note {
    ($($part:tt)*) => {
        $crate::cli::say::remark(&format!($($part)*))
    };
}

pub(crate) use note;

//! Why the demo itself could not go on. What a plan did wrong is no error: it is in the verdicts.

use std::fmt;

/// One sentence: what was tried, where, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl Error {
    /// "cannot `doing` `place`: why".
    pub fn at<P: fmt::Display>(
        doing: &str,
        place: P,
    ) -> impl FnOnce(std::io::Error) -> Self + use<P> {
        let begin = format!("cannot {doing} {place}");
        move |why| Self(format!("{begin}: {why}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

//! One line per event, kept only when somebody will read it; its hash is kept always.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// How many lines a failing seed prints from its end; `TRACE` asks for more.
const TAIL: u64 = 400;

pub struct Trace {
    hash: Sha256,
    lines: Vec<String>,
    keep: bool,
    line: String,
}

impl Trace {
    pub fn new(keep: bool) -> Self {
        Self {
            hash: Sha256::new(),
            lines: Vec::new(),
            keep,
            line: String::new(),
        }
    }

    pub fn say(&mut self, now_ms: u64, what: std::fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string does not fail.
        let _ = write!(self.line, "{now_ms:>8} {what}");
        self.hash.update(self.line.as_bytes());
        self.hash.update(b"\n");
        if self.keep {
            self.lines.push(self.line.clone());
        }
    }

    pub fn digest(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    pub fn tail(&self) -> &[String] {
        let wanted = crate::number("TRACE", TAIL) as usize;
        &self.lines[self.lines.len().saturating_sub(wanted)..]
    }
}

//! What the demo says while it runs: one line per event, with the time since the act began.

use std::io::Write;

use super::clock::Clock;

/// Prints lines in order of their happening; times count from the act's beginning.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    pub clock: Clock,
    pub from_ms: u64,
    /// Nothing is printed: somebody tells of it all afterwards.
    pub quiet: bool,
}

impl Live {
    pub fn starting_now(clock: Clock, quiet: bool) -> Self {
        Self {
            clock,
            from_ms: clock.now_ms(),
            quiet,
        }
    }

    /// Something that was done or seen here and now.
    pub fn now(&self, who: &str, what: &str) {
        self.at(self.clock.now_ms(), &format!("{who:<9} {:<9} {what}", ""));
    }

    /// A line whose words are complete, about a moment that may have passed.
    pub fn at(&self, at_ms: u64, line: &str) {
        if self.quiet {
            return;
        }
        let since = (at_ms as i64 - self.from_ms as i64) as f64 / 1_000.0;
        say(&format!("  {since:>+8.2} s  {line}"));
    }
}

/// One line, at once; a reader that went away is no reason to leave a roll half shown.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

//! Labelled places around durable steps, at which a test ends this process as a crash would. A build
//! without the feature `sabotage` has none. Nothing is decided here but whether to die.

#[cfg(not(feature = "sabotage"))]
#[inline]
pub const fn fail_point(_label: &str) {}

#[cfg(feature = "sabotage")]
pub use armed::{VARIABLE, fail_point};

#[cfg(feature = "sabotage")]
mod armed {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    /// Names a file that need not exist. While it does, it says at which label this process ends:
    /// `label`, or `label n` for the n-th passage. A file can be written while the process runs.
    pub const VARIABLE: &str = "AEGIS_UPDATES_FAIL_POINT";
    /// The parent of a database outlives daemons on purpose, and is not what is swept.
    const RESIDENT: &str = "run-database";

    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// Dies by SIGKILL when it is told to, and renames the file to `….reached` first: the test sees that
    /// the label was met, and the next process lives.
    pub fn fail_point(label: &str) {
        let Some(file) = FILE.get_or_init(file) else {
            return;
        };
        let Ok(text) = fs::read_to_string(file) else {
            return;
        };
        let mut words = text.split_whitespace();
        if words.next() != Some(label) {
            return;
        }
        let nth = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
        if PASSED.fetch_add(1, Ordering::Relaxed) + 1 < nth {
            return;
        }
        // Whether or not the name could be changed: what matters is the crash.
        let _ = fs::rename(file, file.with_extension("reached"));
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    fn file() -> Option<PathBuf> {
        let resident = std::env::args().nth(1).as_deref() == Some(RESIDENT);
        let named = std::env::var_os(VARIABLE).map(PathBuf::from);
        named.filter(|_| !resident)
    }
}

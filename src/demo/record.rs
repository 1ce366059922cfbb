//! What the observer saw, and what follows from it. Data and pure questions; observer.rs looks.

use std::collections::BTreeMap;

use super::process::Life;

/// One process that ran on a database's data directory.
#[derive(Debug, Clone)]
pub struct Process {
    pub database: String,
    pub life: Life,
    /// From the kernel, exact to 10 ms.
    pub started_at_ms: u64,
    /// First look at which it was gone.
    pub ended_at_ms: Option<u64>,
    /// SHA-256 of `/proc/PID/exe`; `None` until it is hashed, or when the file could not be read.
    pub digest: Option<String>,
}

/// What a database says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// 200, `healthy`, and this version.
    Healthy {
        version: String,
    },
    /// It answers, but anything else.
    Sick {
        answer: String,
    },
    Silent,
}

/// A database's health as it was from `at_ms` until its next change.
#[derive(Debug, Clone)]
pub struct Change {
    pub at_ms: u64,
    pub database: String,
    pub health: Health,
}

/// Everything seen so far.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub processes: Vec<Process>,
    pub changes: Vec<Change>,
    /// Looks at the process list, and the longest time between two: what happened within it and was
    /// over again may have been missed.
    pub scans: u64,
    pub scan_gap_ms_max: u64,
}

impl Record {
    /// Processes of `database` that started at or after `from_ms`.
    pub fn starts(&self, database: &str, from_ms: u64) -> usize {
        let of_it = self
            .processes
            .iter()
            .filter(|process| process.database == database);
        of_it
            .filter(|process| process.started_at_ms >= from_ms)
            .count()
    }

    /// The process of `database` that has not ended, if there is exactly one.
    pub fn running(&self, database: &str) -> Option<&Process> {
        let mut running = self
            .processes
            .iter()
            .filter(|process| process.database == database && process.ended_at_ms.is_none());
        let first = running.next()?;
        running.next().is_none().then_some(first)
    }

    /// The last health of `database` at or before `at_ms`.
    pub fn health_at(&self, database: &str, at_ms: u64) -> Option<&Health> {
        let mut changes = self.changes.iter();
        let last = changes.rfind(|change| change.database == database && change.at_ms <= at_ms)?;
        Some(&last.health)
    }

    /// The largest number of databases, each healthy at some time before, that were not healthy at the
    /// same moment in `from_ms..=to_ms`, and the first such moment.
    pub fn down_together_max(&self, from_ms: u64, to_ms: u64) -> (usize, u64) {
        let mut healthy: BTreeMap<&str, bool> = BTreeMap::new();
        let mut most = (0, from_ms);
        let mut changes = self.changes.iter().peekable();
        while let Some(change) = changes.next_if(|change| change.at_ms <= to_ms) {
            let is_healthy = matches!(change.health, Health::Healthy { .. });
            if is_healthy || healthy.contains_key(change.database.as_str()) {
                healthy.insert(&change.database, is_healthy);
            }
            let next_ms = changes.peek().map_or(to_ms, |next| next.at_ms);
            let down = healthy.values().filter(|healthy| !**healthy).count();
            if down > most.0 && next_ms >= from_ms {
                most = (down, change.at_ms.max(from_ms));
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(at_ms: u64, database: &str, up: bool) -> Change {
        let health = if up {
            Health::Healthy {
                version: "1.0.0".to_owned(),
            }
        } else {
            Health::Silent
        };
        Change {
            at_ms,
            database: database.to_owned(),
            health,
        }
    }

    #[test]
    fn down_together_counts_only_the_window_and_only_who_was_up() {
        let mut record = Record::default();
        assert_eq!(record.down_together_max(0, 100), (0, 0));
        // n3 never came up at all: it is not down, it was never there.
        record.changes = vec![
            change(1, "n3", false),
            change(2, "n1", true),
            change(3, "n2", true),
            change(10, "n1", false),
            change(20, "n2", false),
            change(25, "n1", true),
            change(30, "n2", true),
        ];
        assert_eq!(record.down_together_max(0, 100), (2, 20));
        assert_eq!(record.down_together_max(26, 100), (1, 26));
        assert_eq!(record.down_together_max(30, 100), (1, 30));
        assert_eq!(record.down_together_max(31, 100), (0, 31));
        assert_eq!(record.down_together_max(0, 15), (1, 10));
    }
}

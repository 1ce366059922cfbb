//! The cluster version: which entries may stand in the log and what applying them computes. Not the version
//! of this program, and not the database's.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Only grows, and only by an operator's command: members of two builds apply the same entries alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cluster(pub u32);

/// The cluster versions at which a daemon can be a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supported {
    pub oldest: Cluster,
    pub newest: Cluster,
}

/// The version of the build that the tests put beside this one: it adds an entry kind, a field to an older
/// entry, and fields to rows.
#[cfg(feature = "next-version")]
pub const NEXT: Cluster = Cluster(2);

impl Cluster {
    /// Of every new cluster, and of one that was formed before there were versions.
    pub const FIRST: Self = Self(1);
}

impl Default for Cluster {
    fn default() -> Self {
        Self::FIRST
    }
}

impl Supported {
    /// This daemon's own.
    pub const OURS: Self = Self {
        oldest: Cluster::FIRST,
        #[cfg(not(feature = "next-version"))]
        newest: Cluster::FIRST,
        #[cfg(feature = "next-version")]
        newest: NEXT,
    };

    /// Of a daemon that does not say.
    pub const FIRST: Self = Self {
        oldest: Cluster::FIRST,
        newest: Cluster::FIRST,
    };

    pub fn includes(self, version: Cluster) -> bool {
        self.oldest <= version && version <= self.newest
    }

    /// Fails with what a person should know and do.
    pub fn check(self, version: Cluster) -> Result<(), String> {
        if self.includes(version) {
            return Ok(());
        }
        let which = match version > self.newest {
            true => "newer",
            false => "older",
        };
        Err(format!(
            "the cluster is at version {version}, and this daemon supports {self}; start the {which} daemon"
        ))
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Supported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "only {}", self.newest),
            false => write!(f, "{} to {}", self.oldest, self.newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_said_with_the_way_out() {
        let some = Supported {
            oldest: Cluster(2),
            newest: Cluster(3),
        };
        assert!(some.check(Cluster(2)).is_ok() && some.check(Cluster(3)).is_ok());
        let newer = some.check(Cluster(4)).unwrap_err();
        assert!(newer.contains("version 4") && newer.ends_with("start the newer daemon"));
        let older = some.check(Cluster(1)).unwrap_err();
        assert!(older.contains("2 to 3") && older.ends_with("start the older daemon"));
    }
}

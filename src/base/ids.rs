//! Names and numbers of things. A name is checked once, when it is made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::limits::NAME_LENGTH_MAX;
use super::text::serde_as_text;

/// The name of a database node (and of its host's member): `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedName(pub String);

/// The number of a Raft member: assigned, never typed, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub u64);

/// The number of a plan, assigned by the log; written `p-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(pub u64);

/// Orders what is intended for a node. Only grows: first by the cluster's incarnation, then by number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation {
    pub incarnation: u64,
    pub number: u64,
}

impl NodeName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = MalformedName;

    fn from_str(text: &str) -> Result<Self, MalformedName> {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let well_formed = bytes.len() <= NAME_LENGTH_MAX
            && bytes.first().is_some_and(plain)
            && bytes.iter().all(|byte| plain(byte) || *byte == b'-');
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(MalformedName(text.chars().take(80).collect()))
        }
    }
}

impl Generation {
    pub const fn next(self) -> Self {
        Self {
            incarnation: self.incarnation,
            number: self.number + 1,
        }
    }
}

impl FromStr for PlanId {
    type Err = MalformedName;

    fn from_str(text: &str) -> Result<Self, MalformedName> {
        text.strip_prefix("p-")
            .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| MalformedName(text.chars().take(80).collect()))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p-{}", self.0)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.number)
    }
}

impl fmt::Display for MalformedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a well-formed name", self.0)
    }
}

impl std::error::Error for MalformedName {}

serde_as_text!(NodeName);

serde_as_text!(PlanId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        for good in ["a", "node-1", "9", &"a".repeat(63)] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a/b", "..", &"a".repeat(64), "é"] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn incarnation_outranks_number() {
        let old = Generation {
            incarnation: 1,
            number: 900,
        };
        let new = Generation {
            incarnation: 2,
            number: 1,
        };
        assert!(new > old && old.next() > old);
    }

    #[test]
    fn plan_ids_are_written_with_their_prefix() {
        assert_eq!("p-17".parse(), Ok(PlanId(17)));
        for bad in ["17", "p-", "p--1", "p-+1", "p-99999999999999999999999"] {
            assert!(bad.parse::<PlanId>().is_err(), "{bad}");
        }
    }
}

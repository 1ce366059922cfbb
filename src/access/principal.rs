//! Who acts, and the roles. Deny by default: a role has what it names and what it outranks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::ids::MemberId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Approver,
    Admin,
    /// A database node's own agent.
    Node,
}

/// Who stands behind an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Principal {
    /// The holder of a token, by the token's id.
    Token { id: String, role: Role },
    /// Somebody with the host's own control socket.
    Host { member: MemberId },
    /// A member itself: its agent or its leader's decision.
    Member { member: MemberId },
}

impl Role {
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Operator,
        Self::Approver,
        Self::Admin,
        Self::Node,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Node => "node",
        }
    }

    /// Admin includes operator, operator includes viewer, approver includes viewer. Node includes nothing.
    pub const fn includes(self, other: Self) -> bool {
        match self {
            Self::Admin => !matches!(other, Self::Node),
            Self::Operator => matches!(other, Self::Operator | Self::Viewer),
            Self::Approver => matches!(other, Self::Approver | Self::Viewer),
            Self::Viewer => matches!(other, Self::Viewer),
            Self::Node => matches!(other, Self::Node),
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| {
            format!("`{text}` is not a role; one of viewer, operator, approver, admin, node")
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Principal {
    /// The control socket is guarded by the host's own file permissions: whoever opens it administers.
    pub const fn role(&self) -> Role {
        match self {
            Self::Token { role, .. } => *role,
            Self::Host { .. } => Role::Admin,
            Self::Member { .. } => Role::Node,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { id, .. } => write!(f, "token {id}"),
            Self::Host { member } => write!(f, "host of member {member}"),
            Self::Member { member } => write!(f, "member {member}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_acts_as_a_node_but_a_node() {
        for role in Role::ALL {
            assert_eq!(role.includes(Role::Node), role == Role::Node);
            assert!(role.includes(role));
        }
        assert!(
            !Role::Operator.includes(Role::Approver) && !Role::Approver.includes(Role::Operator)
        );
    }
}

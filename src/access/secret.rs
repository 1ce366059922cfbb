//! The text forms of secrets, and what is kept of them: a hash. Making random bytes is not done here.

use std::fmt;
use std::str::FromStr;

use crate::base::digest::Digest;

const TOKEN_PREFIX: &str = "aut_";
const JOIN_PREFIX: &str = "auj_";

/// A token's secret: 256 random bits, written with a prefix by which scanners find leaked ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What a joiner is handed: where to knock, what CA must answer, and the secret to say.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinTicket {
    pub secret: Digest,
    pub ca_fingerprint: Digest,
    /// The member listener of a member: `host:port`.
    pub peer: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedTicket;

impl Secret {
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(format!("{TOKEN_PREFIX}{}", hex::encode(bytes)))
    }

    /// What the log keeps.
    pub fn hash(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// For showing it once to whoever made it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl JoinTicket {
    /// What the log keeps, and what the joiner's member says: `Joiner::token`.
    pub fn hash(&self) -> Digest {
        Digest::of(self.secret.as_bytes())
    }

    /// For showing it once to whoever made it.
    pub fn reveal(&self) -> String {
        let Self {
            secret,
            ca_fingerprint,
            peer,
        } = self;
        format!("{JOIN_PREFIX}{secret}.{ca_fingerprint}.{peer}")
    }
}

impl FromStr for JoinTicket {
    type Err = MalformedTicket;

    fn from_str(text: &str) -> Result<Self, MalformedTicket> {
        let inside = text.trim().strip_prefix(JOIN_PREFIX);
        let mut parts = inside.ok_or(MalformedTicket)?.splitn(3, '.');
        let mut digest = || parts.next()?.parse().ok();
        let secret = digest().ok_or(MalformedTicket)?;
        let ca_fingerprint = digest().ok_or(MalformedTicket)?;
        let peer = parts.next().filter(|peer| peer.contains(':'));
        Ok(Self {
            secret,
            ca_fingerprint,
            peer: peer.ok_or(MalformedTicket)?.to_owned(),
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for JoinTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinTicket({})", self.peer)
    }
}

impl fmt::Display for MalformedTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this is not a join token; copy the whole line that `cluster join-token` printed",
        )
    }
}

impl std::error::Error for MalformedTicket {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_back_and_nothing_else_is() {
        let ticket = JoinTicket {
            secret: Digest::of(b"secret"),
            ca_fingerprint: Digest::of(b"ca"),
            peer: "10.0.0.1:7461".into(),
        };
        assert_eq!(ticket.reveal().parse(), Ok(ticket.clone()));
        for bad in ["", "auj_", "auj_a.b.c:1", &ticket.reveal()[1..]] {
            assert_eq!(bad.parse::<JoinTicket>(), Err(MalformedTicket), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        let secret = Secret::from_random([7; 32]);
        assert!(!format!("{secret:?}").contains("0707"));
        assert_ne!(secret.hash(), Secret::from_random([8; 32]).hash());
    }
}

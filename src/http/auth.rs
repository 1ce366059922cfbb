//! Who asks: the holder of a token, or somebody with the host's control socket. Nothing is decided here
//! about what they may do.

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;

use super::error::Problem;
use super::kind::Kind;
use crate::access::principal::Principal;
use crate::access::secret::Secret;
use crate::access::token::{Grant, Token};
use crate::base::ids::MemberId;
use crate::machine::state::State;

/// Through which listener a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    Network,
    /// Guarded by file permissions: whoever opens it acts as the host.
    ControlSocket,
}

pub fn principal(
    entrance: Entrance,
    member: MemberId,
    headers: &HeaderMap,
    state: &State,
    own_wall_ms: u64,
) -> Result<Principal, Problem> {
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return match entrance {
            Entrance::ControlSocket => Ok(Principal::Host { member }),
            Entrance::Network => Err(unauthorized("there is no token in the request")),
        };
    };
    let secret = given
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "));
    let secret = secret.ok_or_else(|| unauthorized("the token cannot be read"))?;
    // The log's clock stands while nothing is appended, and the host's own may have been set back.
    let now_wall_ms = own_wall_ms.max(state.head.clock.wall_ms);
    holder(&Secret::from(secret.trim()), state, now_wall_ms)
}

/// For what goes on after its request was admitted: `None` once the token has ended.
pub fn still_good(principal: &Principal, state: &State, own_wall_ms: u64) -> Option<()> {
    let Principal::Token { id, .. } = principal else {
        return Some(());
    };
    let now_wall_ms = own_wall_ms.max(state.head.clock.wall_ms);
    let token = state.tokens.get(id)?;
    token.is_valid_at(now_wall_ms).then_some(())
}

fn holder(secret: &Secret, state: &State, now_wall_ms: u64) -> Result<Principal, Problem> {
    let hash = secret.hash();
    // All are compared, each in constant time: how long it takes tells nothing about any hash.
    let found = state.tokens.values().fold(None, |found, token: &Token| {
        let same = token.hash.as_bytes().ct_eq(hash.as_bytes());
        if bool::from(same) { Some(token) } else { found }
    });
    match found {
        Some(token) if !token.is_valid_at(now_wall_ms) => {
            Err(unauthorized("the token is expired or revoked"))
        }
        Some(Token {
            id,
            grants: Grant::Role(role),
            ..
        }) => Ok(Principal::Token {
            id: id.clone(),
            role: *role,
        }),
        // A join token opens the member listener's door and no other.
        Some(_) | None => Err(unauthorized("the token is unknown")),
    }
}

fn unauthorized(why: &str) -> Problem {
    Problem::new(
        Kind::Unauthorized,
        why,
        "send `Authorization: Bearer …` with a token from `token create`; the command line takes it from \
         --token-file or AEGIS_UPDATES_TOKEN",
    )
}

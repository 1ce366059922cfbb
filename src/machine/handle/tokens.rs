//! Tokens: made, revoked. Only hashes come here.

use crate::access::token::{Grant, Token};
use crate::base::digest::Digest;
use crate::base::limits::TOKENS_MAX;
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Part, Reply, State};

pub fn create(
    state: &mut State,
    context: &mut Context<'_>,
    id: &str,
    hash: Digest,
    grants: Grant,
    ttl_ms: u64,
) -> Result<Reply, Refusal> {
    if state.tokens.contains_key(id) {
        return Err(Refusal::TokenExists { id: id.to_owned() });
    }
    let now = state.head.clock.wall_ms;
    let dead = room(state, now)?;
    for id in dead {
        state.tokens.remove(&id);
        state.touched.insert(Part::Token(id));
    }
    let expires_wall_ms = now.saturating_add(ttl_ms);
    let token = Token {
        id: id.to_owned(),
        hash,
        grants,
        expires_wall_ms,
        revoked: false,
    };
    state.tokens.insert(id.to_owned(), token);
    state.touched.insert(Part::Token(id.to_owned()));
    let grants = match grants {
        Grant::Role(role) => role.to_string(),
        Grant::Join => "join".to_owned(),
    };
    context.facts.push(Fact::TokenCreated {
        id: id.to_owned(),
        grants,
    });
    Ok(Reply::Token { id: id.to_owned() })
}

pub fn revoke(state: &mut State, context: &mut Context<'_>, id: &str) -> Result<Reply, Refusal> {
    let Some(token) = state.tokens.get_mut(id) else {
        return Err(Refusal::UnknownToken { id: id.to_owned() });
    };
    if token.revoked {
        return Ok(Reply::Unchanged);
    }
    token.revoked = true;
    state.touched.insert(Part::Token(id.to_owned()));
    context.facts.push(Fact::TokenRevoked { id: id.to_owned() });
    Ok(Reply::Done)
}

/// The tokens that go for another to come: join tokens that nobody can use any more, and when that is not enough
/// every revoked or expired one, which are listed until then.
fn room(state: &State, now: u64) -> Result<Vec<String>, Refusal> {
    let dead = |which: fn(&Token) -> bool| -> Vec<String> {
        let found = state.tokens.values();
        let found = found.filter(|token| which(token) && !token.is_valid_at(now));
        found.map(|token| token.id.clone()).collect()
    };
    let enough = |dead: &Vec<String>| state.tokens.len() - dead.len() < TOKENS_MAX;
    let kinds: [fn(&Token) -> bool; 2] = [|token| token.grants == Grant::Join, |_| true];
    kinds
        .into_iter()
        .map(dead)
        .find(enough)
        .ok_or(Refusal::TooManyTokens { limit: TOKENS_MAX })
}

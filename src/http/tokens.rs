//! Tokens and join tokens. A secret is made here, shown once in the answer to the request that made it,
//! and never again: a repeated request is told so.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::call::{Answer, Call, clipped, duration, json};
use super::error::Problem;
use super::kind::Kind;
use super::nodes::done;
use super::openapi::{self, texts};
use super::random;
use super::steering::nothing;
use super::when::rfc3339;
use crate::access::principal::{Principal, Role};
use crate::access::secret::{JoinTicket, Secret};
use crate::access::token::{Grant, Token};
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::limits::{JOIN_TOKEN_TTL, TOKEN_TTL};
use crate::control::service::Unavailable;
use crate::machine::command::Command;
use crate::machine::state::Reply;

/// A token that outlives its maker's memory is a leak waiting: a year at most.
const TTL_MAX: Millis = Millis::seconds(366 * 86_400);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateToken)]
pub struct Create {
    /// A name of the maker's choice; a random one where it is absent.
    #[schema(value_type = Option<texts::Name>)]
    id: Option<String>,
    #[schema(value_type = openapi::others::Role)]
    role: String,
    #[schema(value_type = Option<texts::Lifetime>)]
    ttl: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateJoinToken)]
pub struct CreateJoin {
    #[schema(value_type = Option<texts::Lifetime>)]
    ttl: Option<String>,
}

pub async fn list(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let reading = call.read(&query).await?;
    let now = reading.state.head.clock.wall_ms;
    let now = now.max(call.api.core.wall_ms());
    let tokens: Vec<Value> = reading
        .state
        .tokens
        .values()
        // A spent join token opens nothing but its own joiner's retry.
        .filter(|token| !token.is_spent())
        .map(|token| view(token, now))
        .collect();
    let body = json!({ "success": true, "tokens": tokens, "stale_ms": reading.stale_ms });
    Ok(json(StatusCode::OK, &body))
}

pub async fn create(call: Call) -> Answer {
    call.query(&[])?;
    let body: Create = call.body()?;
    let role: Role = body
        .role
        .parse()
        .map_err(|error: String| Problem::new(Kind::MalformedRole, error, "choose one of them"))?;
    let id = match body.id {
        Some(id) => token_id(&id)?,
        None => random_id("token"),
    };
    let ttl = ttl(body.ttl.as_deref(), TOKEN_TTL)?;
    let secret = Secret::from_random(random::bytes());
    let hash = secret.hash();
    let shown = json!(secret.reveal());
    register(&call, id, hash, Grant::Role(role), ttl, shown).await
}

pub async fn create_join(call: Call) -> Answer {
    call.query(&[])?;
    let body: CreateJoin = call.body()?;
    let ttl = ttl(body.ttl.as_deref(), JOIN_TOKEN_TTL)?;
    let identity = call.api.core.identity();
    let ticket = JoinTicket {
        secret: Digest::from_bytes(random::bytes()),
        ca_fingerprint: identity.ca_fingerprint,
        peer: identity.peer,
    };
    let (hash, shown) = (ticket.hash(), json!(ticket.reveal()));
    register(&call, random_id("join"), hash, Grant::Join, ttl, shown).await
}

async fn register(
    call: &Call,
    id: String,
    hash: Digest,
    grants: Grant,
    ttl: Millis,
    secret: Value,
) -> Answer {
    let command = Command::CreateToken {
        id: id.clone(),
        hash,
        grants,
        ttl_ms: ttl.0,
    };
    let reply = call.submit(command).await?;
    let id = match reply {
        Reply::Token { id } => id,
        _ => id,
    };
    // The same request again answers with the first one's token, whose secret nobody keeps.
    let (reading, confirmed) = call.read_back().await?;
    let token = reading.state.tokens.get(&id);
    if token.is_none() && !confirmed {
        return Err(Unavailable::OutcomeUnknown.into());
    }
    let ours = token.is_some_and(|token| token.hash == hash);
    let body = json!({
        "success": true,
        "id": id,
        "secret": if ours { secret } else { Value::Null },
        "replayed": !ours,
        "expires_at": token.and_then(|token| rfc3339(token.expires_wall_ms)),
    });
    Ok(json(
        if ours {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        },
        &body,
    ))
}

pub async fn revoke(call: Call) -> Answer {
    nothing(&call)?;
    let id = token_id(call.param("token"))?;
    let reply = call.submit(Command::RevokeToken { id }).await?;
    Ok(done(&reply))
}

pub async fn whoami(call: Call) -> Answer {
    call.query(&[])?;
    let body = json!({
        "success": true,
        "principal": call.principal.to_string(),
        "role": call.principal.role(),
        "kind": match &call.principal {
            Principal::Token { .. } => "token",
            Principal::Host { .. } => "host",
            Principal::Member { .. } => "member",
        },
    });
    Ok(json(StatusCode::OK, &body))
}

fn view(token: &Token, now_wall_ms: u64) -> Value {
    let (role, grants) = match token.grants {
        Grant::Role(role) => (Some(role), "role"),
        Grant::Join => (None, "join"),
    };
    json!({
        "id": token.id,
        "grants": grants,
        "role": role,
        "expires_at": rfc3339(token.expires_wall_ms),
        "revoked": token.revoked,
        "valid": token.is_valid_at(now_wall_ms),
    })
}

fn ttl(given: Option<&str>, default: Millis) -> Result<Millis, Problem> {
    let ttl = given.map_or(Ok(default), duration)?;
    if ttl.0 == 0 || ttl > TTL_MAX {
        return Err(Problem::new(
            Kind::MalformedDuration,
            format!("a token cannot live {ttl}"),
            format!("give up to {TTL_MAX}"),
        ));
    }
    Ok(ttl)
}

fn token_id(text: &str) -> Result<String, Problem> {
    // The same pattern as a node's name: it stands in paths, logs and the journal.
    let name = super::call::node_name(text).map_err(|problem| Problem {
        code: Kind::MalformedTokenId.code(),
        error: format!("`{}` is not a token's id", clipped(text)),
        ..problem
    })?;
    Ok(name.to_string())
}

fn random_id(kind: &str) -> String {
    format!("{kind}-{}", random::hexadecimal::<4>())
}

//! Asking another member: one message, one answer, all within a deadline. Whom to ask, and whether to
//! ask again, is decided by the caller.

use std::fmt;
use std::time::Duration;

use aegis_updates_raft::network::{PeerClient, PeerError};
use http::{Method, Request, StatusCode};
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire;
use crate::base::ids::MemberId;

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The other member has certainly not acted on it.
    NotTaken(String),
    /// It may have.
    Lost(String),
}

/// Sends `ask` to `to` and reads its answer.
pub async fn ask<A: Serialize, T: DeserializeOwned>(
    peers: &PeerClient,
    to: MemberId,
    path: &str,
    ask: &A,
    within: Duration,
) -> Result<T, Unanswered> {
    let body = wire::encode(ask).map_err(Unanswered::NotTaken)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .body(Bytes::from(body))
        .map_err(|error| Unanswered::NotTaken(error.to_string()))?;
    let answer = peers
        .request(to.0, request, within)
        .await
        .map_err(|error| match error {
            PeerError::Unknown(_) | PeerError::NotSent { .. } => {
                Unanswered::NotTaken(error.to_string())
            }
            PeerError::NoAnswer { .. } => Unanswered::Lost(error.to_string()),
        })?;
    if answer.status() != StatusCode::OK {
        // Every refusal of the listener comes before the message was acted on.
        let text = String::from_utf8_lossy(answer.body());
        return Err(Unanswered::NotTaken(format!(
            "member {to} answered {}: {text}",
            answer.status()
        )));
    }
    wire::decode(answer.body()).map_err(Unanswered::Lost)
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTaken(reason) | Self::Lost(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Unanswered {}

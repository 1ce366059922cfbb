//! Calls of the product's own routes, by members and by a host that joins. No route is known here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use tokio::time::timeout;

use super::channel::Connector;
use super::connections::{Lane, speak};
use super::dialer::{CallError, Dialer};
use super::faults::Kind;
use super::tls;
use crate::pki;

/// A member answers a join request in a few kilobytes.
const JOIN_ANSWER_MAX: usize = 1 << 20;

/// Calls the product's routes of other members, on connections apart from Raft's.
#[derive(Clone)]
pub struct PeerClient {
    pub(super) dialer: Arc<Dialer>,
}

impl PeerClient {
    /// Sends one request to member `to` and reads the whole answer, all within `deadline`. The URI is a
    /// path with its query. A status that is not 2xx is an answer, not an error.
    pub async fn request(
        &self,
        to: u64,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, PeerError> {
        let called = self
            .dialer
            .call(to, Lane::Product, Kind::Product, request, deadline)
            .await;
        called.map_err(|error| match error {
            CallError::NoAddress => PeerError::Unknown(to),
            CallError::NotSent(reason) => PeerError::NotSent { to, reason },
            CallError::NoAnswer(reason) => PeerError::NoAnswer { to, reason },
            CallError::TimedOut => PeerError::NoAnswer {
                to,
                reason: error.to_string(),
            },
        })
    }

    /// Remembers where a member is reached before any configuration says so.
    pub fn learn(&self, id: u64, address: &str) {
        self.dialer.learn(id, address);
    }
}

/// Why another member gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerError {
    /// No address is known for this member id.
    Unknown(u64),
    /// The request certainly did not reach the member.
    NotSent { to: u64, reason: String },
    /// It may have reached the member.
    NoAnswer { to: u64, reason: String },
}

/// Asks a member to let this host join. The host has no certificate yet; it knows the member by the
/// fingerprint of its cluster's CA, from the join token.
pub async fn ask_to_join(
    address: &str,
    fingerprint: [u8; 32],
    request: Request<Bytes>,
    deadline: Duration,
) -> Result<Response<Bytes>, JoinError> {
    let tls = tls::joining(fingerprint).map_err(|pki::Error(reason)| JoinError(reason))?;
    let asked = async {
        let connector = Connector::new(None, tls);
        let (stream, _) = connector.connect(address).await.map_err(JoinError)?;
        let mut connection = speak(stream).await.map_err(JoinError)?;
        let failed = |error: &dyn fmt::Display| JoinError(format!("{address}: {error}"));
        let answer = connection
            .send_request(request.map(Full::new))
            .await
            .map_err(|e| failed(&e))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, JOIN_ANSWER_MAX)
            .collect()
            .await
            .map_err(|e| failed(&e))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    let late = || JoinError(format!("{address} did not answer within {deadline:?}"));
    timeout(deadline, asked)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// The member could not be asked, or is of another cluster than the token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinError(pub String);

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(to) => write!(f, "no address is known for member {to}"),
            Self::NotSent { to, reason } => write!(f, "member {to} was not reached: {reason}"),
            Self::NoAnswer { to, reason } => write!(f, "member {to} did not answer: {reason}"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the cluster could not be asked to let this host join: {}",
            self.0
        )
    }
}

impl std::error::Error for PeerError {}
impl std::error::Error for JoinError {}

//! Members talk HTTP/1.1 over mutual TLS. This file holds what callers see of it; no route is decided here.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};

pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The body of an answer; `http_body_util::Full` and axum's body both box into it.
pub type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Serves every path of the member listener that is not under `/raft/`.
pub type Handler = Arc<
    dyn Fn(PeerIdentity, http::Request<Incoming>) -> BoxFuture<http::Response<Body>> + Send + Sync,
>;

/// Says whether a member id that is in no configuration yet may reach the product's peer routes.
pub type Joining = Arc<dyn Fn(u64) -> bool + Send + Sync>;

/// Who is at the other end of a connection, by its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerIdentity {
    /// No certificate. Such a peer reaches `/join` and nothing else.
    Anonymous,
    /// A certificate of this cluster for this member id.
    Member(u64),
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("a peer without certificate"),
            Self::Member(id) => write!(f, "member {id}"),
        }
    }
}

/// A hook for tests that stands in for a bad network; production has none.
pub trait Faults: Send + Sync + 'static {
    /// Asked before each request leaves and before each answer is used.
    fn before(&self, from: u64, to: u64, kind: Kind) -> Verdict;
}

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Vote,
    PreVote,
    Append,
    Heartbeat,
    Image,
    TransferLeader,
    ReadIndex,
    Product,
    /// The answer to any of them.
    Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Fails at once, like a closed port.
    Refuse,
    /// Is never answered: fails at its deadline.
    Drop,
    Delay(Duration),
}

/// Calls the product's routes of other members.
#[derive(Clone)]
pub struct PeerClient {}

impl PeerClient {
    /// Sends one request to member `to` and reads the whole answer, all within `deadline`. Only the
    /// path, method, headers and body of `request` count.
    pub async fn request(
        &self,
        to: u64,
        _request: http::Request<Bytes>,
        _deadline: Duration,
    ) -> Result<http::Response<Bytes>, PeerError> {
        Err(PeerError::Unknown(to))
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

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(to) => write!(f, "no address is known for member {to}"),
            Self::NotSent { to, reason } => write!(f, "member {to} was not reached: {reason}"),
            Self::NoAnswer { to, reason } => write!(f, "member {to} did not answer: {reason}"),
        }
    }
}

impl std::error::Error for PeerError {}

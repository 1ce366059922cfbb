//! Members talk HTTP/1.1 over mutual TLS. This file holds what callers see of it; no route is decided here.

#[doc(hidden)]
pub mod bodies;
#[cfg_attr(feature = "replay", path = "plain.rs")]
mod channel;
mod client;
mod connections;
mod dialer;
mod faults;
mod lateness;
mod peer;
mod quiet;
mod routes;
mod server;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};

use self::channel::Acceptor;
pub(crate) use self::client::Network;
use self::connections::Lane;
use self::dialer::Dialer;
pub use self::faults::{Faults, Kind, Verdict};
pub use self::peer::{JoinError, PeerClient, PeerError, ask_to_join};
pub(crate) use self::quiet::leads_alone;
pub(crate) use self::routes::{Heard, Routes, read_point};
pub(crate) use self::server::{Doors, serve};
pub use self::wire::JOIN;
pub(crate) use self::wire::ReadIndexAnswer;
use crate::pki::{self, Credentials, Named};
use crate::store::HostClock;
use crate::types::Raft;

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

/// The network of one member, before its listener opens.
pub(crate) struct Ends {
    pub(crate) network: Network,
    pub(crate) acceptor: Acceptor,
}

impl Ends {
    pub(crate) fn new(
        cluster: &str,
        member: u64,
        credentials: &Credentials,
        anonymous_join: bool,
        addresses: BTreeMap<u64, String>,
        faults: Option<Arc<dyn Faults>>,
        clock: Arc<dyn HostClock>,
    ) -> Result<Self, pki::Error> {
        let (client, server) = tls::configurations(credentials, anonymous_join)?;
        let me = Named {
            cluster: cluster.to_owned(),
            member,
        };
        let acceptor = Acceptor::new(&me, server);
        let dialer = Arc::new(Dialer::new(me, client, addresses, faults));
        Ok(Self {
            network: Network {
                dialer,
                quiet: Arc::default(),
                clock,
            },
            acceptor,
        })
    }
}

impl Doors {
    pub(crate) fn new(cluster: &str, routes: Routes, handler: Handler, joining: Joining) -> Self {
        Self {
            routes,
            handler,
            joining,
            cluster: cluster.to_owned(),
        }
    }
}

impl Network {
    /// Holds entries back while the core holds heartbeats back.
    pub(crate) fn follow(&self, raft: &Raft, lease: Duration, phase: Duration) {
        self.quiet.follow(raft.metrics(), lease, phase);
    }

    pub(crate) fn peer_client(&self) -> PeerClient {
        PeerClient {
            dialer: self.dialer.clone(),
        }
    }

    pub(crate) fn learn(&self, id: u64, address: &str) {
        self.dialer.learn(id, address);
    }

    /// Asks member `leader` for a linearizable read point; `None` when it gave no answer in time.
    pub(crate) async fn read_index(
        &self,
        leader: u64,
        within: Duration,
    ) -> Option<ReadIndexAnswer> {
        let timeout_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let ask = wire::ReadIndexAsk { timeout_ms };
        let (lane, kind) = (Lane::Control, Kind::ReadIndex);
        client::ask_member(
            &self.dialer,
            leader,
            lane,
            kind,
            wire::READ_INDEX,
            &ask,
            within,
        )
        .await
        .ok()
    }
}

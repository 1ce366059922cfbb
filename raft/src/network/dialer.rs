//! Requests to other members: HTTP/1.1 connections, kept and used again, one request on each at a time.
//! Every call ends by its deadline. What is asked is not decided here.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::faults::{Faults, Kind, Verdict};
use crate::pki::{Named, named_by};

/// An answer larger than this is refused, not read.
const ANSWER_MAX: usize = 32 << 20;
/// Connections kept per member and lane.
const KEPT_MAX: usize = 8;

/// What shares connections. Heartbeats must not wait behind entries, nor entries behind images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Control,
    Append,
    Heartbeat,
    Image,
    Product,
}

pub(crate) struct Dialer {
    me: Named,
    tls: TlsConnector,
    faults: Option<Arc<dyn Faults>>,
    addresses: Mutex<Addresses>,
    kept: Mutex<BTreeMap<(u64, Lane), Vec<Connection>>>,
}

#[derive(Default)]
struct Addresses {
    fixed: BTreeMap<u64, String>,
    learned: BTreeMap<u64, String>,
}

type Connection = SendRequest<Full<Bytes>>;

/// Why a call gave no answer.
#[derive(Debug)]
pub(super) enum CallError {
    NoAddress,
    /// Certainly not sent.
    NotSent(String),
    /// Perhaps sent.
    NoAnswer(String),
    /// The deadline passed; perhaps sent.
    TimedOut,
}

impl Dialer {
    pub(super) fn new(
        me: Named,
        tls: Arc<ClientConfig>,
        fixed: BTreeMap<u64, String>,
        faults: Option<Arc<dyn Faults>>,
    ) -> Self {
        Self {
            me,
            tls: TlsConnector::from(tls),
            faults,
            addresses: Mutex::new(Addresses {
                fixed,
                learned: BTreeMap::new(),
            }),
            kept: Mutex::default(),
        }
    }

    pub(super) fn member(&self) -> u64 {
        self.me.member
    }

    /// Remembers where a member is reached, unless the caller of the crate has said so itself.
    pub(super) fn learn(&self, id: u64, address: &str) {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if addresses
            .learned
            .get(&id)
            .is_none_or(|known| known != address)
        {
            addresses.learned.insert(id, address.to_owned());
            drop(addresses);
            self.kept
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|(to, _), _| *to != id);
        }
    }

    /// Sends a request to member `to` and reads the whole answer, within `within`.
    pub(super) async fn call(
        &self,
        to: u64,
        lane: Lane,
        kind: Kind,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, CallError> {
        let deadline = Instant::now() + within;
        let called = async {
            self.fault(self.me.member, to, kind).await?;
            let answer = self.exchange(to, lane, request).await?;
            self.fault(to, self.me.member, Kind::Answer).await?;
            Ok(answer)
        };
        timeout_at(deadline, called)
            .await
            .unwrap_or(Err(CallError::TimedOut))
    }

    async fn exchange(
        &self,
        to: u64,
        lane: Lane,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, CallError> {
        let mut request = request.map(Full::new);
        // A kept connection may have been closed by the other end meanwhile; then the request comes
        // back unsent and goes out on the next.
        loop {
            let (mut connection, fresh) = match self.take(to, lane) {
                Some(kept) => (kept, false),
                None => (self.connect(to).await?, true),
            };
            if let Err(error) = connection.ready().await {
                if fresh {
                    return Err(CallError::NotSent(error.to_string()));
                }
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let body = Limited::new(body, ANSWER_MAX).collect().await;
                    let body = body.map_err(|error| CallError::NoAnswer(error.to_string()))?;
                    self.keep(to, lane, connection);
                    return Ok(Response::from_parts(head, body.to_bytes()));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) => return Err(CallError::NotSent(error.into_error().to_string())),
                    None => return Err(CallError::NoAnswer(error.into_error().to_string())),
                },
            }
        }
    }

    async fn connect(&self, to: u64) -> Result<Connection, CallError> {
        let address = self.address(to).ok_or(CallError::NoAddress)?;
        let stream = connect_tls(&self.tls, &address)
            .await
            .map_err(CallError::NotSent)?;
        let found = named(&stream);
        let expected = Named {
            cluster: self.me.cluster.clone(),
            member: to,
        };
        if found.as_ref() != Some(&expected) {
            let found = found.map_or("nobody".to_owned(), |found| format!("{found}"));
            return Err(CallError::NotSent(format!(
                "{address} is {found}, not {expected}"
            )));
        }
        speak(stream).await.map_err(CallError::NotSent)
    }

    fn address(&self, to: u64) -> Option<String> {
        let addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        addresses
            .fixed
            .get(&to)
            .or_else(|| addresses.learned.get(&to))
            .cloned()
    }

    fn take(&self, to: u64, lane: Lane) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = kept.get_mut(&(to, lane))?;
        while let Some(connection) = connections.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, to: u64, lane: Lane, connection: Connection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = kept.entry((to, lane)).or_default();
        if connections.len() < KEPT_MAX {
            connections.push(connection);
        }
    }

    async fn fault(&self, from: u64, to: u64, kind: Kind) -> Result<(), CallError> {
        let Some(faults) = &self.faults else {
            return Ok(());
        };
        match faults.before(from, to, kind) {
            Verdict::Pass => Ok(()),
            Verdict::Delay(by) => {
                sleep(by).await;
                Ok(())
            }
            Verdict::Drop => pending().await,
            Verdict::Refuse if kind == Kind::Answer => Err(CallError::NoAnswer(
                "refused by the test's network".to_owned(),
            )),
            Verdict::Refuse => Err(CallError::NotSent(
                "refused by the test's network".to_owned(),
            )),
        }
    }
}

/// Connects and shakes hands; the certificate's chain is checked, its name is not.
pub(super) async fn connect_tls(
    tls: &TlsConnector,
    address: &str,
) -> Result<TlsStream<TcpStream>, String> {
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(host).map_err(|error| format!("{address}: {error}"))?;
    tls.connect(name, stream).await.map_err(failed)
}

/// Begins HTTP/1.1 on a stream.
pub(super) async fn speak(stream: TlsStream<TcpStream>) -> Result<Connection, String> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Ends when the sender is dropped or the peer closes; either side of it has the error that matters.
    tokio::spawn(connection);
    Ok(sender)
}

fn named(stream: &TlsStream<TcpStream>) -> Option<Named> {
    let (_, session) = stream.get_ref();
    session.peer_certificates()?.first().and_then(named_by)
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("no address is known"),
            Self::NotSent(reason) | Self::NoAnswer(reason) => f.write_str(reason),
            Self::TimedOut => f.write_str("the deadline passed"),
        }
    }
}

impl std::error::Error for CallError {}

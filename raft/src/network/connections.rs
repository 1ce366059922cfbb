//! Connections to other members, kept and used again. A handshake is not part of any request's deadline:
//! heartbeats have a few tens of milliseconds, and one that was cut off at each deadline would never end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio::time::timeout;

use super::channel::{Channel, Connector};
use super::dialer::CallError;
use crate::pki::Named;

/// Connections kept per member and lane.
const KEPT_MAX: usize = 8;
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What shares connections. Heartbeats must not wait behind entries, nor entries behind images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Control,
    Append,
    Heartbeat,
    Image,
    Product,
}

pub(super) type Connection = SendRequest<Full<Bytes>>;

pub(super) struct Connections {
    me: Named,
    connector: Connector,
    addresses: Mutex<Addresses>,
    slots: Mutex<BTreeMap<(u64, Lane), Slot>>,
}

#[derive(Default)]
struct Addresses {
    fixed: BTreeMap<u64, String>,
    learned: BTreeMap<u64, String>,
}

/// The connections of one lane to one member.
#[derive(Default)]
struct Slot {
    kept: Vec<Connection>,
    /// The attempt that is going on; everybody who needs a connection waits for it.
    connecting: Option<watch::Receiver<Attempt>>,
}

type Attempt = Option<Result<(), String>>;

impl Connections {
    pub(super) fn new(me: Named, tls: Arc<ClientConfig>, fixed: BTreeMap<u64, String>) -> Self {
        let addresses = Addresses {
            fixed,
            learned: BTreeMap::new(),
        };
        let connector = Connector::new(Some(me.clone()), tls);
        Self {
            me,
            connector,
            addresses: Mutex::new(addresses),
            slots: Mutex::default(),
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
            .is_some_and(|known| known == address)
        {
            return;
        }
        addresses.learned.insert(id, address.to_owned());
        drop(addresses);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(to, _), _| *to != id);
    }

    /// A connection that was kept.
    pub(super) fn kept(&self, to: u64, lane: Lane) -> Option<Connection> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut slots.get_mut(&(to, lane))?.kept;
        kept.retain(|connection| !connection.is_closed());
        kept.pop()
    }

    pub(super) fn keep(&self, to: u64, lane: Lane, connection: Connection) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut slots.entry((to, lane)).or_default().kept;
        if kept.len() < KEPT_MAX {
            kept.push(connection);
        }
    }

    /// Waits until an attempt has ended well; then there is one more to be had with [`Self::kept`].
    pub(super) async fn connect(self: &Arc<Self>, to: u64, lane: Lane) -> Result<(), CallError> {
        let address = self.address(to).ok_or(CallError::NoAddress)?;
        let mut attempt = self.attempt(to, lane, address);
        let gone = || CallError::NotSent("the attempt to connect was given up".to_owned());
        let outcome = attempt
            .wait_for(Option::is_some)
            .await
            .map_err(|_| gone())?
            .clone();
        outcome.unwrap_or(Ok(())).map_err(CallError::NotSent)
    }

    /// The attempt that is going on, or a new one.
    fn attempt(self: &Arc<Self>, to: u64, lane: Lane, address: String) -> watch::Receiver<Attempt> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry((to, lane)).or_default();
        if let Some(going_on) = &slot.connecting {
            return going_on.clone();
        }
        let (ended, attempt) = watch::channel(None);
        slot.connecting = Some(attempt.clone());
        let connections = self.clone();
        tokio::spawn(async move {
            let outcome = connections.dial(to, &address).await;
            let outcome = connections.end_attempt(to, lane, &address, outcome);
            // Nobody waits any more: the connection is kept all the same.
            let _ = ended.send(Some(outcome));
        });
        attempt
    }

    fn end_attempt(
        &self,
        to: u64,
        lane: Lane,
        address: &str,
        outcome: Result<Connection, String>,
    ) -> Result<(), String> {
        let current = self.address(to);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry((to, lane)).or_default();
        slot.connecting = None;
        let connection = outcome?;
        if current.as_deref() != Some(address) {
            return Err(format!("member {to} is no longer at {address}"));
        }
        slot.kept.push(connection);
        Ok(())
    }

    async fn dial(&self, to: u64, address: &str) -> Result<Connection, String> {
        within(CONNECT_MAX, address, async {
            let (stream, found) = self.connector.connect(address).await?;
            let expected = Named {
                cluster: self.me.cluster.clone(),
                member: to,
            };
            if found.as_ref() != Some(&expected) {
                let found = found.map_or("nobody".to_owned(), |found| found.to_string());
                return Err(format!("{address} is {found}, not {expected}"));
            }
            speak(stream).await
        })
        .await
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
}

/// Begins HTTP/1.1 on a stream.
pub(super) async fn speak(stream: Channel) -> Result<Connection, String> {
    let begun = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = begun.map_err(|error| error.to_string())?;
    // Ends when the sender is dropped or the peer closes; either side of it has the error that matters.
    tokio::spawn(connection);
    Ok(sender)
}

async fn within<T>(
    limit: Duration,
    address: &str,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let late = || Err(format!("{address}: no connection within {limit:?}"));
    timeout(limit, work).await.unwrap_or_else(|_| late())
}

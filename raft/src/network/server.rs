//! The member listener: accepts, shakes hands, and lets each request through to where its sender may go.
//! Raft's own requests are answered next door.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::channel::Acceptor;
use super::routes::{Routes, Standing, refusal};
use super::wire::{JOIN, PREFIX};
use super::{Body, Handler, Joining, PeerIdentity};
use crate::ground::{TcpListener, TcpStream};

/// A peer that is slower than this to shake hands or to send a head is let go.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
const HEAD_MAX: Duration = Duration::from_secs(30);
/// Strangers: connections before their handshake ended and those without a certificate. Members do not
/// count, so a flood of strangers costs a bounded number of sockets and no member its connection.
const STRANGERS_MAX: usize = 1_024;
/// After a failed accept (out of file descriptors, mostly) the listener rests instead of spinning.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// What the listener needs to know of the caller.
pub(crate) struct Doors {
    pub(super) routes: Routes,
    pub(super) handler: Handler,
    pub(super) joining: Joining,
    pub(super) cluster: String,
}

/// Serves until `stop` changes; then no connection is left open.
pub(crate) async fn serve(
    listener: TcpListener,
    acceptor: Acceptor,
    doors: Arc<Doors>,
    mut stop: watch::Receiver<bool>,
) {
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
            // Ended connections are forgotten as they end.
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                // Beyond the bound a stranger is dropped unheard.
                if let Ok(permit) = strangers.clone().try_acquire_owned() {
                    connections.spawn(connection(acceptor.clone(), stream, doors.clone(), permit));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the member listener could not accept a connection");
                sleep(ACCEPT_REST).await;
            }
        }
    }
    connections.shutdown().await;
}

async fn connection(
    acceptor: Acceptor,
    stream: TcpStream,
    doors: Arc<Doors>,
    permit: OwnedSemaphorePermit,
) {
    let accepted = timeout(HANDSHAKE_MAX, acceptor.accept(stream, &doors.cluster)).await;
    let Ok(Ok((stream, Some(identity)))) = accepted else {
        return;
    };
    let permit = (identity == PeerIdentity::Anonymous).then_some(permit);
    let service = service_fn(move |request| {
        let doors = doors.clone();
        async move { Ok::<_, std::convert::Infallible>(doors.answer(identity, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(permit);
    if let Err(error) = served {
        tracing::debug!(%error, %identity, "a peer connection ended");
    }
}

impl Doors {
    async fn answer(&self, identity: PeerIdentity, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let member = match identity {
            PeerIdentity::Anonymous if path == JOIN => {
                return (self.handler)(identity, request).await;
            }
            PeerIdentity::Anonymous => {
                return refusal(
                    StatusCode::FORBIDDEN,
                    "a peer without certificate may only join",
                );
            }
            PeerIdentity::Member(member) => member,
        };
        let raft = path.starts_with(PREFIX);
        let admitted = match self.routes.standing(member) {
            Standing::Current => true,
            Standing::Removed => false,
            // A member that this one has not heard of yet: its certificate is of this cluster and its
            // id is higher than any known, so it was admitted by entries that have not arrived here.
            Standing::Newer => raft || path == JOIN || (self.joining)(member),
        };
        if !admitted {
            tracing::warn!(member, path, "a peer that is no member was refused");
            return refusal(
                StatusCode::FORBIDDEN,
                "not a member of this cluster; once removed it may only join anew, with an empty data directory",
            );
        }
        if raft {
            self.routes.answer(member, request).await
        } else {
            (self.handler)(identity, request).await
        }
    }
}

//! Listeners: accept, bound, serve, end. Binding is the caller's, so that a busy port is its error.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::auth::Entrance;

/// Also what a header may take to arrive.
const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
const HEADERS_MAX: usize = 16 * 1024;
/// Slow or idle connections cost a task each; beyond this a new one waits in the kernel's queue.
const CONNECTIONS_MAX: usize = 1_024;
/// After a failed accept (no file descriptors): time for others to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What answers in flight get when the daemon stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Certificate chain and key from PEM. The error says what is wrong with which.
pub fn tls(certificate: &[u8], key: &[u8]) -> Result<TlsAcceptor, String> {
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(|error| format!("the certificate file: {error}"))?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("the key file: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("certificate and key: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `stop`, then lets answers in flight end.
pub async fn serve_tcp(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let server = Server::new(router, Entrance::Network, stop);
    loop {
        let Some((permit, (stream, _))) = server.next(|| listener.accept()).await else {
            break;
        };
        let _ = stream.set_nodelay(true);
        let (server, tls) = (server.clone(), tls.clone());
        server.tasks.clone().spawn(async move {
            match tls {
                None => server.serve(stream).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HEADER_TIME_MAX, tls.accept(stream)).await {
                        server.serve(stream).await;
                    }
                }
            }
            drop(permit);
        });
    }
    server.end().await;
}

/// As `serve_tcp`; whoever can open the socket acts as the host.
pub async fn serve_unix(listener: UnixListener, router: Router, stop: CancellationToken) {
    let server = Server::new(router, Entrance::ControlSocket, stop);
    loop {
        let Some((permit, (stream, _))) = server.next(|| listener.accept()).await else {
            break;
        };
        let server = server.clone();
        server.tasks.clone().spawn(async move {
            server.serve(stream).await;
            drop(permit);
        });
    }
    server.end().await;
}

#[derive(Clone)]
struct Server {
    router: Router,
    entrance: Entrance,
    stop: CancellationToken,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Server {
    fn new(router: Router, entrance: Entrance, stop: CancellationToken) -> Self {
        Self {
            router,
            entrance,
            stop,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            tasks: TaskTracker::new(),
        }
    }

    /// The next connection with its permit; `None` when it is time to stop.
    async fn next<T, F: Future<Output = io::Result<T>>>(
        &self,
        accept: impl Fn() -> F,
    ) -> Option<(OwnedSemaphorePermit, T)> {
        let accepted = async {
            let permit = Arc::clone(&self.connections).acquire_owned().await.ok()?;
            loop {
                match accept().await {
                    Ok(accepted) => return Some((permit, accepted)),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => None,
            next = accepted => next,
        }
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (router, entrance) = (self.router.clone(), self.entrance);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(entrance);
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME_MAX)
            .max_buf_size(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn end(&self) {
        self.tasks.close();
        let _ = timeout(DRAIN_TIME, self.tasks.wait()).await;
    }
}

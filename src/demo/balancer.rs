//! The demo's balancer: an HTTP/1.1 reverse proxy that obeys `/ready`, goes round robin, and never
//! retries. A request that a backend fails is answered 502 and recorded: the client sees it fail.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::backend::{Address, Backend};
use super::clock::Clock;
use super::wire::Link;

/// The answer's header that names the backend: keys are per node, so the load must know who took one.
pub const BACKEND_HEADER: &str = "x-backend";

/// Between two looks at a backend's readiness.
const LOOK_EVERY: Duration = Duration::from_millis(150);

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const REQUEST_LEN_MAX: usize = 1024 * 1024;

/// Headers that concern one connection only (RFC 9110 §7.6.1), and the length, which is set anew.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Something that happened to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at_ms: u64,
    pub backend: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Joined {
        why: &'static str,
    },
    Left {
        why: &'static str,
    },
    /// A client request failed on it.
    Failed {
        why: String,
    },
}

#[derive(Debug)]
struct Shared {
    backends: Vec<Backend>,
    turn: AtomicUsize,
    events: Mutex<Vec<Event>>,
    clock: Clock,
}

/// A running balancer; everything ends when it is dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Balancer {
    /// Listens on `listen` and looks at every backend once before it returns.
    pub async fn start(
        listen: SocketAddr,
        backends: Vec<Address>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            backends: backends.into_iter().map(Backend::new).collect(),
            turn: AtomicUsize::new(0),
            events: Mutex::default(),
            clock,
        });
        let mut tasks = Vec::new();
        for index in 0..shared.backends.len() {
            shared.look(index).await;
            tasks.push(tokio::spawn(watch(Arc::clone(&shared), index)));
        }
        tasks.push(tokio::spawn(accept(listener, Arc::clone(&shared))));
        Ok(Self {
            address,
            shared,
            tasks,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Names of the backends that get requests now.
    pub fn in_rotation(&self) -> Vec<String> {
        let names = self
            .shared
            .backends
            .iter()
            .filter(|backend| backend.in_rotation());
        names.map(|backend| backend.address.name.clone()).collect()
    }

    /// Requests in flight to `name` now; `None`: no such backend.
    pub fn in_flight(&self, name: &str) -> Option<usize> {
        let backend = self
            .shared
            .backends
            .iter()
            .find(|backend| backend.address.name == name)?;
        Some(backend.in_flight())
    }

    /// Everything that happened so far, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.shared
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn record(&self, backend: &str, what: What) {
        let event = Event {
            at_ms: self.clock.now_ms(),
            backend: backend.to_owned(),
            what,
        };
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }

    async fn look(&self, index: usize) {
        let Some(backend) = self.backends.get(index) else {
            return;
        };
        if let Some(turn) = backend.judge(backend.look().await) {
            let why = turn.why;
            let what = if turn.in_rotation {
                What::Joined { why }
            } else {
                What::Left { why }
            };
            self.record(&backend.address.name, what);
        }
    }

    fn choose(&self) -> Option<&Backend> {
        let ready: Vec<&Backend> = self
            .backends
            .iter()
            .filter(|backend| backend.in_rotation())
            .collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        ready.get(turn.checked_rem(ready.len())?).copied()
    }

    /// One request, to one backend, once.
    async fn forward(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, REQUEST_LEN_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(why) => {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    &format!("the request did not arrive: {why}"),
                );
            }
        };
        let Some(backend) = self.choose() else {
            self.record(
                "none",
                What::Failed {
                    why: "no backend is in rotation".to_owned(),
                },
            );
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "no backend is in rotation");
        };
        let name = &backend.address.name;
        let mut forwarded = Request::new(Full::new(body));
        *forwarded.method_mut() = head.method;
        *forwarded.uri_mut() = head.uri;
        *forwarded.headers_mut() = head.headers;
        strip(forwarded.headers_mut());
        let _in_flight = backend.enter();
        let result = async {
            let mut link = match backend.take_idle() {
                Some(link) => link,
                None => Link::connect(&backend.address.database, CONNECT_LIMIT).await?,
            };
            let answer = link.exchange(forwarded, ANSWER_LIMIT).await?;
            backend.give_back(link);
            Ok::<_, super::wire::Error>(answer)
        }
        .await;
        let mut answer = match result {
            Ok(answer) => answer.map(Full::new),
            Err(error) => {
                let why = error.to_string();
                self.record(name, What::Failed { why: why.clone() });
                refuse(StatusCode::BAD_GATEWAY, &why)
            }
        };
        strip(answer.headers_mut());
        if let Ok(value) = HeaderValue::from_str(name) {
            answer.headers_mut().insert(BACKEND_HEADER, value);
        }
        answer
    }
}

async fn watch(shared: Arc<Shared>, index: usize) {
    let mut laps = tokio::time::interval(LOOK_EVERY);
    laps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        laps.tick().await;
        shared.look(index).await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Out of descriptors, most likely: it passes, and spinning would not help.
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Without it small answers may wait for an acknowledgement; the connection works all the same.
    let _ = stream.set_nodelay(true);
    let service =
        service_fn(|request| async { Ok::<_, Infallible>(shared.forward(request).await) });
    // A client that goes away is its own affair.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn strip(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn refuse(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{why}\n"))));
    *answer.status_mut() = status;
    answer
}

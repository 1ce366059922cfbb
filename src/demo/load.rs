//! The demo's clients: a steady rate of reads and writes through the balancer on connections that stay
//! open, every request logged, every acknowledged write remembered with the node that took it.
//!
//! Keys are per node, so a read through the balancer proves something only when it reached the node
//! that took the write. The full proof is read_back.rs, straight from each node. It comes after the
//! load: during it, such connections would stand in the way of the very drain that is shown.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::balancer::BACKEND_HEADER;
use super::clock::Clock;
use super::wire::{self, Link};

/// Longer than the balancer's own limits, so that its answer arrives.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// How many of its own latest writes a client reads again.
const RECENT: usize = 16;

/// Every how many requests one is a write, where nothing else is asked; the rest read.
pub const WRITE_EVERY: u64 = 2;

#[derive(Debug, Clone)]
pub struct Plan {
    pub balancer: SocketAddr,
    pub connections: u32,
    /// Over all connections together.
    pub rate_per_s: u32,
    /// Every how many requests of a connection one is a write.
    pub write_every: u64,
    /// Begins every key, so that two loads on the same databases do not meet.
    pub prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done {
        status: u16,
    },
    /// An answer that a client must not get, or none at all.
    Failed {
        why: String,
    },
}

/// One request as its client saw it; times in Unix microseconds.
#[derive(Debug, Clone)]
pub struct Sent {
    pub connection: u32,
    pub kind: Kind,
    pub start_us: u64,
    pub end_us: u64,
    /// The node that answered, when one did.
    pub backend: Option<String>,
    pub outcome: Outcome,
}

/// A write that a node acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub backend: String,
    pub key: String,
    pub value: String,
}

#[derive(Debug, Clone, Default)]
pub struct Log {
    /// In the order of their starts.
    pub sent: Vec<Sent>,
    pub acknowledged: Vec<Acknowledged>,
}

/// A load that runs; dropping it breaks its requests off.
#[derive(Debug)]
pub struct Load {
    counts: Arc<Counts>,
    stop: CancellationToken,
    clients: JoinSet<Log>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicUsize,
    failed: AtomicUsize,
}

impl Load {
    pub fn start(plan: &Plan, clock: Clock) -> Self {
        let counts = Arc::new(Counts::default());
        let stop = CancellationToken::new();
        let mut clients = JoinSet::new();
        for connection in 0..plan.connections {
            let client = Client {
                plan: plan.clone(),
                connection,
                clock,
                link: None,
                recent: VecDeque::new(),
                counts: Arc::clone(&counts),
                log: Log::default(),
            };
            clients.spawn(client.run(stop.clone()));
        }
        Self {
            counts,
            stop,
            clients,
        }
    }

    /// Requests answered so far.
    pub fn sent(&self) -> usize {
        self.counts.sent.load(Ordering::Relaxed)
    }

    /// How many of them failed.
    pub fn failed(&self) -> usize {
        self.counts.failed.load(Ordering::Relaxed)
    }

    /// Stops; every request that was started is finished and logged.
    pub async fn finish(self) -> Log {
        self.stop.cancel();
        let mut log = Log::default();
        for client in self.clients.join_all().await {
            log.sent.extend(client.sent);
            log.acknowledged.extend(client.acknowledged);
        }
        log.sent.sort_by_key(|sent| sent.start_us);
        log
    }
}

impl fmt::Display for Sent {
    /// One line of the request log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Read => "read",
            Kind::Write => "write",
        };
        let backend = self.backend.as_deref().unwrap_or("-");
        write!(
            f,
            "{} {} c{} {kind} {backend} ",
            self.start_us, self.end_us, self.connection
        )?;
        match &self.outcome {
            Outcome::Done { status } => write!(f, "{status}"),
            Outcome::Failed { why } => write!(f, "FAILED {why}"),
        }
    }
}

struct Client {
    plan: Plan,
    connection: u32,
    clock: Clock,
    link: Option<Link>,
    recent: VecDeque<Acknowledged>,
    counts: Arc<Counts>,
    log: Log,
}

impl Client {
    async fn run(mut self, stop: CancellationToken) -> Log {
        let rate = f64::from(self.plan.rate_per_s.max(1)) / f64::from(self.plan.connections.max(1));
        // Missed ticks come as a burst: a slow answer must not lower the rate that is promised.
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        let mut number = 0;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.log,
                _ = ticks.tick() => {}
            }
            number += 1;
            match self.recent.front().cloned() {
                Some(write) if number % self.plan.write_every != 0 => {
                    self.recent.rotate_left(1);
                    self.read(write).await;
                }
                _ => self.write(number).await,
            }
        }
    }

    async fn write(&mut self, number: u64) {
        let key = format!("{}-{}-{number}", self.plan.prefix, self.connection);
        let value = format!("{key} written at {}", self.clock.now_us());
        let body = json!({ "key": key, "value": value }).to_string();
        let start_us = self.clock.now_us();
        let answer = self.send("POST", "/api/v1/kv/keys", body).await;
        let backend = answer.as_ref().ok().and_then(backend_of);
        let outcome = match (answer, &backend) {
            (Err(error), _) => Outcome::Failed {
                why: error.to_string(),
            },
            (Ok(answer), Some(backend)) if answer.status() == StatusCode::OK => {
                let write = Acknowledged {
                    backend: backend.clone(),
                    key,
                    value,
                };
                self.recent.push_back(write.clone());
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
                self.log.acknowledged.push(write);
                Outcome::Done { status: 200 }
            }
            (Ok(answer), _) => unexpected(&answer),
        };
        self.note(Kind::Write, start_us, backend, outcome);
    }

    /// On another node than the one that took the write, the key is rightly unknown.
    async fn read(&mut self, write: Acknowledged) {
        let start_us = self.clock.now_us();
        let path = format!("/api/v1/kv/keys/{}", write.key);
        let answer = self.send("GET", &path, String::new()).await;
        let backend = answer.as_ref().ok().and_then(backend_of);
        let own = backend.as_ref() == Some(&write.backend);
        let outcome = match answer {
            Err(error) => Outcome::Failed {
                why: error.to_string(),
            },
            Ok(answer) if answer.status() == StatusCode::OK => match value_of(answer.body()) {
                Some(value) if value == write.value => Outcome::Done { status: 200 },
                found => Outcome::Failed {
                    why: format!("{} reads as {found:?}", write.key),
                },
            },
            Ok(answer) if answer.status() == StatusCode::NOT_FOUND && backend.is_some() && !own => {
                Outcome::Done { status: 404 }
            }
            Ok(answer) => unexpected(&answer),
        };
        self.note(Kind::Read, start_us, backend, outcome);
    }

    fn note(&mut self, kind: Kind, start_us: u64, backend: Option<String>, outcome: Outcome) {
        let (connection, end_us) = (self.connection, self.clock.now_us());
        if matches!(outcome, Outcome::Failed { .. }) {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.counts.sent.fetch_add(1, Ordering::Relaxed);
        self.log.sent.push(Sent {
            connection,
            kind,
            start_us,
            end_us,
            backend,
            outcome,
        });
    }

    /// Sends on the standing connection; a broken one is replaced for the *next* request only.
    async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<Response<Bytes>, wire::Error> {
        let to = self.plan.balancer.to_string();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &to)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| wire::Error::Exchange {
                to: to.clone(),
                why: error.to_string(),
            })?;
        let mut link = match self.link.take() {
            Some(link) if link.is_open() => link,
            _ => Link::connect(&to, LIMIT).await?,
        };
        let answer = link.exchange(request, LIMIT).await?;
        self.link = Some(link);
        Ok(answer)
    }
}

fn backend_of(answer: &Response<Bytes>) -> Option<String> {
    answer
        .headers()
        .get(BACKEND_HEADER)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

/// The value in an answer to a key.
pub(super) fn value_of(body: &Bytes) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("value")?.as_str().map(str::to_owned)
}

fn unexpected(answer: &Response<Bytes>) -> Outcome {
    let body = String::from_utf8_lossy(answer.body());
    Outcome::Failed {
        why: format!("HTTP {}: {}", answer.status().as_u16(), body.trim_end()),
    }
}

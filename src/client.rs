//! A client of the API, over the network or a control socket. It knows several members and goes on at
//! the next when one is lost; a write carries a key, so that trying again is safe. Prints nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::agent::outgoing::{self, Trust};
use crate::http::random;
use crate::http::router::PREFIX;

/// A member that does not even take the connection within this is as good as gone.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// A cluster in which for so long no member takes a connection is down, or somewhere else; no write was
/// sent, so that saying so soon costs nothing.
const UNREACHED_MAX: Duration = Duration::from_secs(3);
/// An election may have ended after this.
const LEADERLESS_FOR: Duration = Duration::from_secs(5);
/// Between tries, where the answer names no other time.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    ControlSocket(PathBuf),
    /// `http://host:port` or `https://host:port`.
    Url(String),
}

#[derive(Clone, Default)]
pub struct Settings {
    pub endpoints: Vec<Endpoint>,
    pub token: Option<String>,
    /// PEM of the authority to trust for https; absent: the system's.
    pub authority: Option<Vec<u8>>,
    /// For one call with all its tries.
    pub timeout: Duration,
    /// Absent: linearizable, and local where there is no leader.
    pub consistency: Option<String>,
    pub reason: Option<String>,
    /// Absent: a random one for each write.
    pub request_key: Option<String>,
}

pub struct Client {
    settings: Settings,
    members: Vec<Member>,
    /// Where the last call was answered.
    at: AtomicUsize,
    /// When a read found no leader anywhere: those soon after it do not wait for one again.
    leaderless: Mutex<Option<Instant>>,
}

struct Member {
    name: String,
    base: String,
    http: reqwest::Client,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// No member took the request; nothing was done.
    Unreachable {
        tried: Vec<String>,
        why: String,
    },
    /// A write was sent and its answer did not come.
    OutcomeUnknown {
        why: String,
    },
    Refused(Refused),
    /// An endpoint or certificate that cannot be used.
    Setting {
        what: String,
    },
    NotUnderstood {
        member: String,
        why: String,
    },
}

/// What the API said instead of success.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub status: u16,
    pub code: String,
    pub error: String,
    pub remedy: String,
    pub details: Value,
}

impl Client {
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let members: Result<Vec<_>, _> = settings
            .endpoints
            .iter()
            .map(|endpoint| member(endpoint, settings.authority.as_deref()))
            .collect();
        Ok(Self {
            members: members?,
            settings,
            at: AtomicUsize::new(0),
            leaderless: Mutex::new(None),
        })
    }

    /// Reads; without a leader, unless the caller chose, the member's own state with its age.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        let joint = if path.contains('?') { '&' } else { '?' };
        if let Some(consistency) = &self.settings.consistency {
            let path = format!("{path}{joint}consistency={consistency}");
            return self.call(Method::GET, &path, None, None).await;
        }
        let local = format!("{path}{joint}consistency=local");
        // Each member that asks for a leader in vain takes its read timeout; it is waited for once.
        if self.was_leaderless() {
            return self.call(Method::GET, &local, None, None).await;
        }
        match self.ask_around(path).await {
            Err(Error::Refused(refused)) if refused.is_leaderless() => {
                self.note_leaderless();
                self.call(Method::GET, &local, None, None).await
            }
            outcome => outcome,
        }
    }

    fn note_leaderless(&self) {
        let mut leaderless = self
            .leaderless
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *leaderless = Some(Instant::now());
    }

    fn was_leaderless(&self) -> bool {
        let leaderless = self
            .leaderless
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        leaderless.is_some_and(|at| at.elapsed() < LEADERLESS_FOR)
    }

    /// A linearizable read: one member without a leader may be cut off alone, all of them are not.
    async fn ask_around(&self, path: &str) -> Result<Value, Error> {
        let mut outcome = self.call_once(path).await;
        for _ in 1..self.members.len() {
            match &outcome {
                Err(Error::Refused(refused)) if refused.is_leaderless() => self.turn(),
                _ => break,
            }
            outcome = self.call_once(path).await;
        }
        outcome
    }

    /// As `call`, but that there is no leader is an answer.
    async fn call_once(&self, path: &str) -> Result<Value, Error> {
        self.call_while(Method::GET, path, None, None, |refused| {
            refused.is_worth_retrying() && !refused.is_leaderless()
        })
        .await
    }

    /// Reads what knows no consistency: the journal, tokens of one's own, a preview.
    pub async fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        self.call(method, path, body, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.post_keyed(path, body, None).await
    }

    /// Under this request key instead of the settings' own.
    pub async fn post_keyed(
        &self,
        path: &str,
        body: &Value,
        key: Option<String>,
    ) -> Result<Value, Error> {
        let key = key.unwrap_or_else(|| self.key());
        self.call(Method::POST, path, Some(body), Some(key)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::DELETE, path, None, Some(self.key()))
            .await
    }

    /// A plan's events after the one given, from any member that answers.
    pub async fn events(&self, plan: &str, after: Option<&str>) -> Result<Response, Error> {
        let path = format!("/plans/{plan}/events");
        let mut lost = String::new();
        for _ in &self.members {
            let Some(member) = self.member() else { break };
            let mut request = self.request(member, Method::GET, &path);
            if let Some(after) = after {
                request = request.header("last-event-id", after);
            }
            match request.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => return Err(Error::Refused(refused(response).await)),
                Err(error) => lost = why(&error),
            }
            self.turn();
        }
        Err(self.unreachable(lost))
    }

    /// The next call begins at another member.
    pub fn turn(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<String>,
    ) -> Result<Value, Error> {
        self.call_while(method, path, body, key, Refused::is_worth_retrying)
            .await
    }

    /// Tries until the timeout, while what is refused may go better at another member or later.
    async fn call_while(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<String>,
        again: impl Fn(&Refused) -> bool,
    ) -> Result<Value, Error> {
        let end = Instant::now() + self.settings.timeout;
        let began = Instant::now();
        let mut sent = false;
        let mut reached = false;
        loop {
            let Some(member) = self.member() else {
                return Err(self.unreachable("no endpoint is configured".to_owned()));
            };
            let left = end.saturating_duration_since(Instant::now());
            let mut request = self.request(member, method.clone(), path).timeout(left);
            if let Some(key) = &key {
                request = request.header("idempotency-key", key);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let (error, pause) = match request.send().await {
                Ok(response) if response.status().is_success() => {
                    let name = member.name.clone();
                    return response.json().await.map_err(|error| Error::NotUnderstood {
                        member: name,
                        why: chain(&error),
                    });
                }
                Ok(response) => {
                    reached = true;
                    let pause = retry_after(&response);
                    let refused = refused(response).await;
                    sent |= refused.code == "outcome_unknown";
                    if !again(&refused) {
                        return Err(Error::Refused(refused));
                    }
                    (Error::Refused(refused), pause)
                }
                Err(error) => {
                    sent |= key.is_some() && !error.is_connect();
                    reached |= !error.is_connect();
                    (self.unreachable(why(&error)), PAUSE)
                }
            };
            self.turn();
            let given_up = !reached && began.elapsed() >= UNREACHED_MAX;
            if given_up || Instant::now() + pause >= end {
                return Err(match error {
                    Error::Unreachable { why, .. } if sent => Error::OutcomeUnknown { why },
                    error => error,
                });
            }
            sleep(pause).await;
        }
    }

    fn request(&self, member: &Member, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{PREFIX}{path}", member.base);
        let mut request = member.http.request(method, url);
        if let Some(token) = &self.settings.token {
            request = request.bearer_auth(token);
        }
        if let Some(reason) = &self.settings.reason {
            request = request.header("x-reason", reason.as_bytes());
        }
        request
    }

    fn member(&self) -> Option<&Member> {
        let count = self.members.len().max(1);
        self.members.get(self.at.load(Ordering::Relaxed) % count)
    }

    fn key(&self) -> String {
        let random = random::hexadecimal::<16>;
        self.settings.request_key.clone().unwrap_or_else(random)
    }

    fn unreachable(&self, why: String) -> Error {
        let tried = self.members.iter().map(|member| member.name.clone());
        Error::Unreachable {
            tried: tried.collect(),
            why,
        }
    }
}

impl Refused {
    /// No leader to be seen from that member, and nothing was changed.
    pub fn is_leaderless(&self) -> bool {
        matches!(self.code.as_str(), "no_leader" | "quorum_lost")
    }

    fn is_worth_retrying(&self) -> bool {
        matches!(self.status, 429)
            || matches!(
                self.code.as_str(),
                "no_leader"
                    | "outcome_unknown"
                    | "shutting_down"
                    | "term_not_open"
                    | "not_the_leader"
            )
    }
}

fn member(endpoint: &Endpoint, authority: Option<&[u8]>) -> Result<Member, Error> {
    let unusable = |what: String| Error::Setting { what };
    let (name, base, builder) = match endpoint {
        Endpoint::ControlSocket(path) => (
            path.display().to_string(),
            "http://localhost".to_owned(),
            outgoing::builder(Trust::Only(Vec::new())).unix_socket(path.as_path()),
        ),
        Endpoint::Url(url) => {
            let url = url.trim_end_matches('/').to_owned();
            let trust = match authority {
                Some(pem) => reqwest::Certificate::from_pem_bundle(pem)
                    .map(Trust::Only)
                    .map_err(|error| unusable(format!("the authority's certificate: {error}")))?,
                None if url.starts_with("https:") => Trust::System,
                None => Trust::Only(Vec::new()),
            };
            (url.clone(), url, outgoing::builder(trust))
        }
    };
    let http = builder.connect_timeout(CONNECT_TIME_MAX).build();
    let http = http.map_err(|error| unusable(format!("{name}: {}", chain(&error))))?;
    Ok(Member { name, base, http })
}

async fn refused(response: Response) -> Refused {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_else(|_| json!({}));
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Refused {
        status: status.as_u16(),
        code: text("code").unwrap_or_else(|| "unknown_answer".to_owned()),
        error: text("error").unwrap_or_else(|| format!("the answer was {status}")),
        remedy: text("remedy").unwrap_or_default(),
        details: body.get("details").cloned().unwrap_or_else(|| json!({})),
    }
}

fn retry_after(response: &Response) -> Duration {
    let given = response.headers().get("retry-after");
    let seconds = given.and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs).min(PAUSE_MAX)
}

/// Why the request did not come through. What kept a connection from being made is said alone: whose
/// address it was, the caller says.
fn why(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(cause) = at.source().filter(|_| error.is_connect()) {
        at = cause;
    }
    chain(at)
}

/// An error with what caused it: reqwest's own text stops at "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text = format!("{text}: {cause}");
        at = cause.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { tried, why } => {
                write!(f, "no member answered ({}): {why}", tried.join(", "))
            }
            Self::OutcomeUnknown { why } => {
                write!(f, "the request was sent and its answer was lost: {why}")
            }
            Self::Refused(refused) => write!(f, "{} ({})", refused.error, refused.code),
            Self::Setting { what } => f.write_str(what),
            Self::NotUnderstood { member, why } => {
                write!(f, "the answer of {member} cannot be read: {why}")
            }
        }
    }
}

impl std::error::Error for Error {}

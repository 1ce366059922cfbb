//! Stands before the API of a live member and looks at it before and after each request, one at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::response::Parts;
use axum::http::{Response, StatusCode, header};
use axum::middleware::Next;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use crate::rig::{LATE, Rig};

/// Enough to see what is wrong.
const SHOWN_MAX: usize = 5;

pub struct Watch {
    rig: Rig,
    began: Instant,
    alone: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    statuses: BTreeMap<u16, u64>,
    changed: u64,
    wrong: Vec<String>,
}

impl Watch {
    pub fn new(rig: Rig) -> Self {
        Self {
            rig,
            began: Instant::now(),
            alone: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        }
    }

    pub fn rig(&self) -> &Rig {
        &self.rig
    }

    pub fn requests(&self) -> u64 {
        self.locked().statuses.values().sum()
    }

    pub fn answered(&self, status: u16) -> u64 {
        self.locked().statuses.get(&status).copied().unwrap_or(0)
    }

    /// Requests after which the member was another than before.
    pub fn changed(&self) -> u64 {
        self.locked().changed
    }

    pub fn wrong(&self) -> Vec<String> {
        self.locked()
            .wrong
            .iter()
            .take(SHOWN_MAX)
            .cloned()
            .collect()
    }

    pub fn statuses(&self) -> String {
        let seen = self.locked();
        let counts = seen.statuses.iter();
        let counts = counts.map(|(status, count)| format!("{status}={count}"));
        counts.collect::<Vec<_>>().join(" ")
    }

    pub fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    fn locked(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub async fn look(State(watch): State<Arc<Watch>>, request: Request, next: Next) -> Response<Body> {
    let _alone = watch.alone.lock().await;
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let body = body.unwrap_or_default();
    let asked = format!(
        "{} {} {}",
        parts.method,
        parts.uri,
        String::from_utf8_lossy(&body)
    );
    let before = watch.rig.print();
    let again = || {
        let mut request = Request::new(Body::from(body.clone()));
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        // The router's own word on the path is among them.
        *request.extensions_mut() = parts.extensions.clone();
        next.clone().run(request)
    };
    let late = Instant::now() + LATE;
    let mut response = ended(again().await).await;
    while is_starved(&response) && Instant::now() < late {
        response = ended(again().await).await;
    }
    let status = response.0.status;
    let after = watch.rig.print();
    let mut seen = watch.locked();
    *seen.statuses.entry(status.as_u16()).or_default() += 1;
    let same = before == after;
    seen.changed += u64::from(!same);
    if status.is_server_error() || (status.is_client_error() && !same) {
        let told = String::from_utf8_lossy(&response.1).into_owned();
        seen.wrong
            .push(format!("{asked}: {status} {told}; changed: {}", !same));
    }
    drop(seen);
    Response::from_parts(response.0, Body::from(response.1))
}

/// Nothing was appended, for certain, because the member's own tasks were kept waiting by whatever else this machine
/// does: no fault of the answer, and no test of it.
fn is_starved((parts, body): &(Parts, Bytes)) -> bool {
    let code = ["quorum_lost", "no_leader"].map(|code| format!("\"code\":\"{code}\""));
    let text = String::from_utf8_lossy(body);
    parts.status == StatusCode::SERVICE_UNAVAILABLE && code.iter().any(|code| text.contains(code))
}

/// The answer as a whole. A stream of events, which goes on for as long as its plan, is one event of ours.
async fn ended(response: Response<Body>) -> (Parts, Bytes) {
    let (parts, body) = response.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind == "text/event-stream") {
        return (
            parts,
            Bytes::from_static(b"event: end\ndata: Cancelled\n\n"),
        );
    }
    let body = body.collect().await.map(|body| body.to_bytes());
    (parts, body.unwrap_or_default())
}

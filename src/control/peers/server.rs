//! The product's routes of the member listener. Who is at the other end is known by its certificate; what
//! it may do there is decided where the message is acted on.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aegis_updates_raft::network::{Body, Handler, JOIN, PeerIdentity};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::wire;
use crate::base::ids::MemberId;
use crate::control::station::Station;

/// A plan of a thousand nodes is far below it.
const BODY_MAX: usize = 1 << 20;
/// A peer that sends its message slower than this is let go.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Filled once the member runs; until then a peer is told to come again.
pub type Slot = Arc<OnceLock<Arc<Station>>>;

/// Answers whatever is not Raft's own.
pub fn handler(slot: Slot) -> Handler {
    Arc::new(move |from, request| {
        let slot = slot.clone();
        Box::pin(async move {
            let Some(station) = slot.get().cloned() else {
                return plain(StatusCode::SERVICE_UNAVAILABLE, "this member is starting");
            };
            answer(station, from, request).await
        })
    })
}

async fn answer(
    station: Arc<Station>,
    from: PeerIdentity,
    request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let body = Limited::new(request.into_body(), BODY_MAX).collect();
    let body = match timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the message did not arrive"),
    };
    if path == JOIN {
        return on(&body, |ask| station.join(from, ask)).await;
    }
    let PeerIdentity::Member(from) = from else {
        return plain(StatusCode::FORBIDDEN, "a stranger may only join");
    };
    let from = MemberId(from);
    match path.as_str() {
        wire::SUBMIT => on(&body, |ask| station.carried(from, ask)).await,
        wire::BEGIN => on(&body, |ask| station.begin(from, ask)).await,
        wire::SAMPLE => on(&body, async |ask| station.sample(from, ask)).await,
        wire::EXPLAIN => on(&body, async |()| station.explained()).await,
        wire::HOSTS => on(&body, async |()| station.heard_hosts()).await,
        wire::PREVIEW => on(&body, async |ask| station.previewed(&ask).await).await,
        wire::LOOK => on(&body, |ask| station.look(ask)).await,
        wire::STEER => on(&body, async |ask| station.steer(&ask).await).await,
        _ => plain(
            StatusCode::NOT_FOUND,
            "this version knows no such peer route",
        ),
    }
}

async fn on<A, T, F, W>(body: &[u8], act: F) -> Response<Body>
where
    A: DeserializeOwned,
    T: Serialize,
    F: FnOnce(A) -> W,
    W: Future<Output = T>,
{
    let ask = match wire::decode(body) {
        Ok(ask) => ask,
        Err(error) => return plain(StatusCode::BAD_REQUEST, &error),
    };
    match wire::encode(&act(ask).await) {
        Ok(bytes) => Response::new(full(bytes)),
        // It was acted on: the asker must not take this for a refusal, so the answer is one it
        // cannot read.
        Err(error) => {
            tracing::error!(%error, "an answer to a peer cannot be written");
            Response::new(full(Vec::new()))
        }
    }
}

fn plain(status: StatusCode, reason: &str) -> Response<Body> {
    let mut response = Response::new(full(reason.as_bytes().to_vec()));
    *response.status_mut() = status;
    response
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed()
}

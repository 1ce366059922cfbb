//! Requests to other members: HTTP/1.1, one request on a connection at a time. Every call ends by its
//! deadline. What is asked is not decided here.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use rustls::ClientConfig;
use tokio::time::{sleep, timeout};

use super::connections::{Connections, Lane};
use super::faults::{Faults, Kind, Verdict};
use crate::pki::Named;

/// An answer larger than this is refused, not read.
const ANSWER_MAX: usize = 32 << 20;
/// A late copy on a test's network does not wait for ever for its member.
const COPY_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Dialer {
    connections: Arc<Connections>,
    faults: Option<Arc<dyn Faults>>,
}

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
            connections: Arc::new(Connections::new(me, tls, fixed)),
            faults,
        }
    }

    pub(super) fn member(&self) -> u64 {
        self.connections.member()
    }

    /// Remembers where a member is reached, unless the caller of the crate has said so itself.
    pub(super) fn learn(&self, id: u64, address: &str) {
        self.connections.learn(id, address);
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
        let me = self.member();
        let sent = AtomicBool::new(false);
        let called = async {
            self.fault(me, to, kind, &sent, Some((lane, &request)))
                .await?;
            let answer = exchange(&self.connections, to, lane, request, &sent).await?;
            self.fault(to, me, Kind::Answer, &sent, None).await?;
            Ok(answer)
        };
        let late = || match sent.load(Ordering::Relaxed) {
            true => CallError::TimedOut,
            false => CallError::NotSent("the deadline passed before it was connected".to_owned()),
        };
        timeout(within, called)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn fault(
        &self,
        from: u64,
        to: u64,
        kind: Kind,
        sent: &AtomicBool,
        copy: Option<(Lane, &Request<Bytes>)>,
    ) -> Result<(), CallError> {
        let Some(faults) = &self.faults else {
            return Ok(());
        };
        match faults.before(from, to, kind) {
            Verdict::Pass => Ok(()),
            Verdict::Delay(by) => {
                sleep(by).await;
                Ok(())
            }
            Verdict::Twice(by) => {
                self.send_later(to, copy, by);
                Ok(())
            }
            Verdict::Drop => {
                // Lost on its way: the sender cannot know.
                sent.store(true, Ordering::Relaxed);
                pending().await
            }
            Verdict::Late(by) => {
                self.send_later(to, copy, by);
                sent.store(true, Ordering::Relaxed);
                pending().await
            }
            Verdict::Refuse if kind == Kind::Answer => Err(CallError::NoAnswer(
                "refused by the test's network".to_owned(),
            )),
            Verdict::Refuse => Err(CallError::NotSent(
                "refused by the test's network".to_owned(),
            )),
        }
    }

    /// A copy that comes when nobody waits for its answer.
    fn send_later(&self, to: u64, copy: Option<(Lane, &Request<Bytes>)>, by: Duration) {
        let Some((lane, request)) = copy else {
            return;
        };
        let (connections, request) = (self.connections.clone(), request.clone());
        tokio::spawn(async move {
            sleep(by).await;
            let sent = AtomicBool::new(false);
            // What comes of it is nobody's to know.
            let _ = timeout(COPY_MAX, exchange(&connections, to, lane, request, &sent)).await;
        });
    }
}

async fn exchange(
    connections: &Arc<Connections>,
    to: u64,
    lane: Lane,
    request: Request<Bytes>,
    sent: &AtomicBool,
) -> Result<Response<Bytes>, CallError> {
    let mut request = request.map(Full::new);
    // A kept connection may have been closed by the other end meanwhile; then the request comes
    // back unsent and goes out on the next. A peer that closes fresh ones is bounded by the deadline.
    loop {
        let Some(mut connection) = connections.kept(to, lane) else {
            connections.connect(to, lane).await?;
            continue;
        };
        if connection.ready().await.is_err() {
            continue;
        }
        sent.store(true, Ordering::Relaxed);
        match connection.try_send_request(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let body = Limited::new(body, ANSWER_MAX).collect().await;
                let body = body.map_err(|error| CallError::NoAnswer(error.to_string()))?;
                connections.keep(to, lane, connection);
                return Ok(Response::from_parts(head, body.to_bytes()));
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) => {
                    sent.store(false, Ordering::Relaxed);
                    request = unsent;
                }
                None => return Err(CallError::NoAnswer(error.into_error().to_string())),
            },
        }
    }
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

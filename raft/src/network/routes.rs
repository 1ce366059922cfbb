//! Raft's requests, answered by the core. A member speaks only for itself: a vote, an entry or an image
//! must carry the sender's own id.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use openraft::ReadPolicy;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{LinearizableReadError, RaftError};
use openraft::raft::AppendEntriesResponse;
use openraft::storage::Snapshot;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::Body;
use super::lateness::{Lateness, Stamp};
use super::wire::{self, InstallAnswer, ReadIndexAnswer, Received};
use crate::encoding::{decode, encode};
use crate::ground::off_runtime;
use crate::store::{Chunk, Disk, Inbox, ReceiveError, Store};
use crate::types::{Ballot, ImageMeta, Raft};

/// More than a full replication request and than one image chunk; a larger body is refused, not read.
const BODY_MAX: usize = 32 << 20;

/// When a leader was heard last.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Option<Instant>>>);

pub(crate) struct Routes {
    raft: Raft,
    heard: Heard,
    inbox: Inbox,
    disk: Arc<Disk>,
    lateness: Mutex<Lateness>,
}

/// What a member id means here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Current,
    /// In no configuration, and not newer than the newest known: ids are never used twice.
    Removed,
    Newer,
}

/// An answer that is not the one hoped for.
struct Refused(StatusCode, String);

type Answer = Result<Vec<u8>, Refused>;

impl Routes {
    pub(crate) fn new(raft: Raft, store: &Store, heard: Heard) -> Self {
        Self {
            raft,
            heard,
            inbox: store.inbox(),
            disk: store.disk.clone(),
            lateness: Mutex::default(),
        }
    }

    pub(super) fn standing(&self, member: u64) -> Standing {
        let metrics = self.raft.metrics();
        let known = metrics
            .borrow_watched()
            .membership_config
            .get_node(&member)
            .is_some();
        match known {
            true => Standing::Current,
            false if member <= self.disk.member_id_max() => Standing::Removed,
            false => Standing::Newer,
        }
    }

    pub(super) async fn answer(&self, sender: u64, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let body = match Limited::new(request.into_body(), BODY_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let answer = match path.as_str() {
            wire::APPEND => self.append(sender, &body).await,
            wire::VOTE => self.vote(sender, &body).await,
            wire::PRE_VOTE => self.pre_vote(sender, &body).await,
            wire::TRANSFER => self.transfer(sender, &body).await,
            wire::IMAGE_CHUNK => self.chunk(&body).await,
            wire::IMAGE_INSTALL => self.install(sender, &body).await,
            wire::READ_INDEX => self.read_index(&body).await,
            _ => Err(Refused(
                StatusCode::NOT_FOUND,
                format!("{path} is no route of this version"),
            )),
        };
        match answer {
            Ok(bytes) => Response::new(full(bytes)),
            Err(Refused(status, reason)) => refusal(status, &reason),
        }
    }

    async fn append(&self, sender: u64, body: &[u8]) -> Answer {
        let ask: wire::AppendAsk = read(body)?;
        own(sender, &ask.ballot)?;
        self.reckon(sender, &ask.sent);
        let answer = self
            .raft
            .append_entries(ask.try_into().map_err(malformed)?)
            .await
            .map_err(stopped)?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.heard.mark();
        }
        write(&wire::AppendAnswer::from(answer))
    }

    /// What is appended next was sent that long ago.
    fn reckon(&self, sender: u64, sent: &Stamp) {
        let mut lateness = self.lateness.lock().unwrap_or_else(PoisonError::into_inner);
        let late_ms = lateness.of(sender, sent, &self.disk.clock().now());
        self.disk.arrives_late(late_ms);
    }

    async fn vote(&self, sender: u64, body: &[u8]) -> Answer {
        let ask: wire::VoteAsk = read(body)?;
        own(sender, &ask.ballot)?;
        let answer = self.raft.vote(ask.into()).await;
        write(&wire::VoteAnswer::from(answer.map_err(stopped)?))
    }

    async fn pre_vote(&self, sender: u64, body: &[u8]) -> Answer {
        let ask: wire::VoteAsk = read(body)?;
        own(sender, &ask.ballot)?;
        let answer = self.raft.pre_vote(ask.into()).await;
        write(&wire::VoteAnswer::from(answer.map_err(stopped)?))
    }

    async fn transfer(&self, sender: u64, body: &[u8]) -> Answer {
        let ask: wire::TransferAsk = read(body)?;
        own(sender, &ask.from)?;
        let answer = self.raft.handle_transfer_leader(ask.into()).await;
        write(&wire::TransferAnswer::from(answer.map_err(stopped)?))
    }

    async fn chunk(&self, body: &[u8]) -> Answer {
        let chunk: Chunk = read(body)?;
        let inbox = self.inbox.clone();
        let taken = off_runtime(move || inbox.take(&chunk))
            .await
            .map_err(stopped)?;
        // A full disk is the sender's to wait for; it harms nothing that is stored.
        let bytes =
            taken.map_err(|error| Refused(StatusCode::INSUFFICIENT_STORAGE, error.to_string()))?;
        write(&Received { bytes })
    }

    async fn install(&self, sender: u64, body: &[u8]) -> Answer {
        let ask: wire::InstallAsk = read(body)?;
        own(sender, &ask.ballot)?;
        let meta = ImageMeta::try_from(ask.covered).map_err(malformed)?;
        let inbox = self.inbox.clone();
        let finished = off_runtime(move || inbox.finish(ask.sha256, ask.bytes))
            .await
            .map_err(stopped)?;
        let image = match finished {
            Ok(image) => image,
            Err(ReceiveError::Incomplete) => return write(&InstallAnswer::Incomplete),
            Err(ReceiveError::Damaged) => return write(&InstallAnswer::Damaged),
            Err(error) => return Err(Refused(StatusCode::INSUFFICIENT_STORAGE, error.to_string())),
        };
        let snapshot = Snapshot {
            meta,
            snapshot: image,
        };
        let answer = self
            .raft
            .install_full_snapshot(ask.ballot.into(), snapshot)
            .await;
        write(&InstallAnswer::Ballot(answer.map_err(stopped)?.vote.into()))
    }

    async fn read_index(&self, body: &[u8]) -> Answer {
        let ask: wire::ReadIndexAsk = read(body)?;
        let within = Duration::from_millis(ask.timeout_ms);
        write(&read_point(&self.raft, within).await)
    }
}

/// Asks this member's core, as the leader, for a point up to which a read must have applied.
pub(crate) async fn read_point(raft: &Raft, within: Duration) -> ReadIndexAnswer {
    match timeout(within, raft.get_read_linearizer(ReadPolicy::ReadIndex)).await {
        Ok(Ok(linearizer)) => ReadIndexAnswer::At(linearizer.read_log_id().index()),
        Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_)))) => {
            ReadIndexAnswer::NotLeader
        }
        Ok(Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)))) | Err(_) => {
            ReadIndexAnswer::QuorumLost
        }
        Ok(Err(RaftError::Fatal(_))) => ReadIndexAnswer::NotLeader,
    }
}

impl Heard {
    fn mark(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) fn age(&self) -> Option<Duration> {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.map(|at| at.elapsed())
    }
}

/// A refusal as plain text.
pub(super) fn refusal(status: StatusCode, reason: &str) -> Response<Body> {
    let mut response = Response::new(full(reason.as_bytes().to_vec()));
    *response.status_mut() = status;
    response
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed()
}

fn own(sender: u64, ballot: &Ballot) -> Result<(), Refused> {
    if ballot.node == sender {
        return Ok(());
    }
    let reason = format!("member {sender} may not speak for member {}", ballot.node);
    Err(Refused(StatusCode::FORBIDDEN, reason))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    decode("request", body).map_err(malformed)
}

fn write(answer: &impl Serialize) -> Answer {
    encode(answer).map_err(stopped)
}

fn malformed(error: std::io::Error) -> Refused {
    Refused(StatusCode::BAD_REQUEST, error.to_string())
}

/// The core does not answer any more; the sender should look elsewhere.
fn stopped(error: impl std::fmt::Display) -> Refused {
    Refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

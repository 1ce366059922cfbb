//! What openraft's core sends to other members. Each call ends within its soft time limit: one that
//! hung has frozen the core before.

use std::future::Future;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Bytes;
use openraft::OptionalSend;
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::storage::Snapshot;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connections::Lane;
use super::dialer::{CallError, Dialer};
use super::faults::Kind;
use super::quiet::Quiet;
use super::wire::{self, InstallAnswer, Received};
use crate::application::Node;
use crate::encoding::{decode, encode};
use crate::ground::off_runtime;
use crate::store::{Chunk, HostClock, ImageFile, verify};
use crate::types::{Covered, Elected, Types, Vote};

/// One request of an image transfer: small enough to hold in memory, large enough to fill a link.
const CHUNK: usize = 1 << 20;

/// Makes the links; it owns nothing but the shared connections.
#[derive(Clone)]
pub(crate) struct Network {
    pub(super) dialer: Arc<Dialer>,
    pub(super) quiet: Arc<Quiet>,
    pub(super) clock: Arc<dyn HostClock>,
}

/// Calls to one member on one lane.
pub(crate) struct Link {
    dialer: Arc<Dialer>,
    quiet: Arc<Quiet>,
    clock: Arc<dyn HostClock>,
    to: u64,
    lane: Lane,
}

impl Network {
    fn link(&self, to: u64, node: &Node, lane: Lane) -> Link {
        self.dialer.learn(to, &node.peer_addr);
        Link {
            dialer: self.dialer.clone(),
            quiet: self.quiet.clone(),
            clock: self.clock.clone(),
            to,
            lane,
        }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, to: u64, node: &Node) -> Link {
        self.link(to, node, Lane::Append)
    }

    async fn new_heartbeat_client(&mut self, to: u64, node: &Node) -> Link {
        self.link(to, node, Lane::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, to: u64, node: &Node) -> Link {
        self.link(to, node, Lane::Image)
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = ImageFile;

    async fn append_entries(
        &mut self,
        ask: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        if self.lane == Lane::Append && self.quiet.now() {
            let what = "no quorum: entries are held back so that others may elect";
            return Err(RPCError::Unreachable(Unreachable::from_string(what)));
        }
        let kind = if self.lane == Lane::Heartbeat {
            Kind::Heartbeat
        } else {
            Kind::Append
        };
        let ask = wire::AppendAsk::new(ask, self.clock.now().into());
        let answer: wire::AppendAnswer = self
            .ask(
                kind,
                RPCTypes::AppendEntries,
                wire::APPEND,
                &ask,
                option.soft_ttl(),
            )
            .await?;
        Ok(answer.into())
    }

    async fn vote(
        &mut self,
        ask: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let ask = wire::VoteAsk::from(ask);
        let answer: wire::VoteAnswer = self
            .control()
            .ask(
                Kind::Vote,
                RPCTypes::Vote,
                wire::VOTE,
                &ask,
                option.soft_ttl(),
            )
            .await?;
        Ok(answer.into())
    }

    async fn pre_vote(
        &mut self,
        ask: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let ask = wire::VoteAsk::from(ask);
        let within = option.soft_ttl();
        let answer: wire::VoteAnswer = self
            .control()
            .ask(Kind::PreVote, RPCTypes::Vote, wire::PRE_VOTE, &ask, within)
            .await?;
        Ok(answer.into())
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        image: Snapshot<Elected, u64, Node, ImageFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let within = option.soft_ttl();
        let sent = self.send_image(vote, Covered::from(&image.meta), image.snapshot, within);
        tokio::select! {
            answer = sent => Ok(answer?),
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        ask: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let ask = wire::TransferAsk::from(ask);
        let (kind, rpc, within) = (
            Kind::TransferLeader,
            RPCTypes::TransferLeader,
            option.soft_ttl(),
        );
        let answer: wire::TransferAnswer = self
            .control()
            .ask(kind, rpc, wire::TRANSFER, &ask, within)
            .await?;
        Ok(answer.into())
    }
}

impl Link {
    /// The same member, apart from entries and heartbeats.
    fn control(&self) -> Link {
        Link {
            dialer: self.dialer.clone(),
            quiet: self.quiet.clone(),
            clock: self.clock.clone(),
            to: self.to,
            lane: Lane::Control,
        }
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        kind: Kind,
        rpc: RPCTypes,
        path: &str,
        ask: &impl Serialize,
        within: Duration,
    ) -> Result<A, RPCError<Types>> {
        ask_member(&self.dialer, self.to, self.lane, kind, path, ask, within)
            .await
            .map_err(|error| match error {
                CallError::TimedOut => RPCError::Timeout(Timeout {
                    action: rpc,
                    id: self.dialer.member(),
                    target: self.to,
                    timeout: within,
                }),
                CallError::NoAnswer(_) => RPCError::Network(NetworkError::new(&error)),
                CallError::NoAddress | CallError::NotSent(_) => {
                    RPCError::Unreachable(Unreachable::new(&error))
                }
            })
    }

    /// Sends what the receiver does not have of the image yet, then has it installed.
    async fn send_image(
        &self,
        vote: Vote,
        covered: Covered,
        image: ImageFile,
        within: Duration,
    ) -> Result<SnapshotResponse<Types>, RPCError<Types>> {
        let ImageFile { bytes, sha256, .. } = image;
        let mut sent = None;
        let mut received = 0;
        // The first chunk is empty: it asks how much is there from an earlier attempt.
        while sent.is_none() || received < bytes {
            let data = match sent {
                None => Vec::new(),
                Some(_) => read_chunk(&image, received).await.map_err(unreadable)?,
            };
            let expected = received + data.len() as u64;
            let chunk = Chunk {
                sha256,
                offset: received,
                bytes: data,
            };
            let answer: Received = self
                .ask(
                    Kind::Image,
                    RPCTypes::InstallSnapshot,
                    wire::IMAGE_CHUNK,
                    &chunk,
                    within,
                )
                .await?;
            if sent.is_some() && answer.bytes != expected {
                let what = format!(
                    "{} bytes of the image are there, not {expected}",
                    answer.bytes
                );
                return Err(RPCError::Network(NetworkError::from_string(what)));
            }
            received = answer.bytes;
            sent = Some(received);
        }
        let ask = wire::InstallAsk {
            ballot: vote.into(),
            covered,
            sha256,
            bytes,
        };
        let path = wire::IMAGE_INSTALL;
        match self
            .ask(Kind::Image, RPCTypes::InstallSnapshot, path, &ask, within)
            .await?
        {
            InstallAnswer::Ballot(ballot) => Ok(SnapshotResponse::new(ballot.into())),
            InstallAnswer::Incomplete => Err(RPCError::Network(NetworkError::from_string(
                "the image did not arrive as a whole",
            ))),
            InstallAnswer::Damaged => {
                let whole = off_runtime(move || verify(&image)).await;
                let ours = !matches!(whole, Ok(Ok(true)));
                let what = if ours {
                    "our image is damaged"
                } else {
                    "the image was damaged on its way"
                };
                tracing::error!(to = self.to, "{what}");
                Err(RPCError::Unreachable(Unreachable::from_string(what)))
            }
        }
    }
}

/// Posts one message and reads the answer, which is an error unless its status is 200.
pub(super) async fn ask_member<A: DeserializeOwned>(
    dialer: &Dialer,
    to: u64,
    lane: Lane,
    kind: Kind,
    path: &str,
    ask: &impl Serialize,
    within: Duration,
) -> Result<A, CallError> {
    let refused = |error: std::io::Error| CallError::NotSent(error.to_string());
    let body = Bytes::from(encode(ask).map_err(refused)?);
    let request = Request::builder().method(Method::POST).uri(path).body(body);
    let request = request.map_err(|error| CallError::NotSent(error.to_string()))?;
    let answer = dialer.call(to, lane, kind, request, within).await?;
    if answer.status() != StatusCode::OK {
        let reason = String::from_utf8_lossy(answer.body());
        return Err(CallError::NotSent(format!(
            "{} on {path}: {reason}",
            answer.status()
        )));
    }
    decode(path, answer.body()).map_err(|error| CallError::NoAnswer(error.to_string()))
}

async fn read_chunk(image: &ImageFile, offset: u64) -> std::io::Result<Vec<u8>> {
    let path = image.path.clone();
    let read = off_runtime(move || {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(CHUNK);
        file.take(CHUNK as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Err(std::io::Error::other(
                "the image file is shorter than it was",
            ));
        }
        Ok(bytes)
    });
    read.await.map_err(std::io::Error::other)?
}

/// The file may have given way to a newer image; openraft asks for the current one again.
fn unreadable(error: std::io::Error) -> RPCError<Types> {
    RPCError::Network(NetworkError::new(&error))
}

//! Every body that members send each other under `/raft/`, with a valid one of each. The fuzz net reads these with
//! the code that serves them; nothing else uses this.

use std::collections::BTreeMap;
use std::io;

use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lateness::Stamp;
use super::wire::{
    AppendAnswer, AppendAsk, InstallAnswer, InstallAsk, ReadIndexAnswer, ReadIndexAsk, Received,
    TransferAnswer, TransferAsk, VoteAnswer, VoteAsk,
};
use crate::application::{Membership, Node, Payload};
use crate::encoding::{decode, encode};
use crate::store::{Chunk, Moment};
use crate::types::{Body, Configured, Covered, Entry, ImageMeta, Position, Record, Types, Vote};

/// Reads a body as its receiver does, into openraft's own type where there is one, and writes it again.
pub type Again = fn(&[u8]) -> io::Result<Vec<u8>>;

/// How each kind of body is read.
pub const BODIES: [Again; 13] = [
    vote,
    append,
    transfer,
    install,
    record,
    again::<Chunk>,
    again::<ReadIndexAsk>,
    again::<VoteAnswer>,
    again::<AppendAnswer>,
    again::<TransferAnswer>,
    again::<InstallAnswer>,
    again::<ReadIndexAnswer>,
    again::<Received>,
];

/// Valid bodies, each with its place in [`BODIES`]; the entries carry these payloads.
pub fn samples(payloads: &[Vec<u8>]) -> io::Result<Vec<(u8, Vec<u8>)>> {
    let vote = Vote::new_committed(3, 1);
    let ballot = || vote.into();
    let mut samples = asks(vote, &records(payloads))?;
    samples.extend([
        (6, encode(&ReadIndexAsk { timeout_ms: 2_000 })?),
        (8, encode(&AppendAnswer::Higher(ballot()))?),
        (9, encode(&TransferAnswer::Begun)?),
        (10, encode(&InstallAnswer::Ballot(ballot()))?),
        (11, encode(&ReadIndexAnswer::At(17))?),
        (12, encode(&Received { bytes: 17 })?),
    ]);
    Ok(samples)
}

const LAST: Position = Position {
    term: 3,
    leader: 1,
    index: 17,
};

fn membership() -> Membership {
    let node = |id: u64| {
        let name = format!("node-{id}");
        let peer_addr = format!("127.0.0.1:{id}");
        (id, Node { name, peer_addr })
    };
    Membership {
        voters: vec![[1, 2].into(), [1, 2, 3].into()],
        nodes: (1..=3).map(node).collect::<BTreeMap<_, _>>(),
    }
}

fn records(payloads: &[Vec<u8>]) -> Vec<Record> {
    let mut bodies = vec![Body::FirstOfTerm, Body::Membership(membership())];
    bodies.extend(payloads.iter().cloned().map(Payload::new).map(Body::Normal));
    let record = |(at, body)| {
        let index = LAST.index + 1 + at as u64;
        let at = Position { index, ..LAST };
        Record { at, body }
    };
    bodies.into_iter().enumerate().map(record).collect()
}

fn asks(vote: Vote, records: &[Record]) -> io::Result<Vec<(u8, Vec<u8>)>> {
    let last = Some(LAST.into());
    let asks_vote = VoteRequest {
        vote,
        last_log_id: last,
        leadership_transfer: true,
    };
    let entries = records.iter().cloned().map(Entry::try_from);
    let append = AppendEntriesRequest {
        vote,
        prev_log_id: last,
        entries: entries.collect::<Result<_, _>>()?,
        leader_commit: last,
    };
    let sent = Stamp::from(Moment {
        boot_id: "boot".to_owned(),
        boottime_ms: 12_345,
        wall_ms: 0,
    });
    let transfer = TransferLeaderRequest::<Types>::new(vote, 2, last);
    let sha256 = [7; 32];
    let install = InstallAsk {
        ballot: vote.into(),
        covered: Covered {
            last: Some(LAST),
            configured: Configured {
                at: Some(LAST),
                membership: membership(),
            },
        },
        sha256,
        bytes: 1 << 20,
    };
    let chunk = Chunk {
        sha256,
        offset: 512,
        bytes: vec![1; 64],
    };
    let mut samples = vec![
        (0, encode(&VoteAsk::from(asks_vote))?),
        (1, encode(&AppendAsk::new(append, sent))?),
        (2, encode(&TransferAsk::from(transfer))?),
        (3, encode(&install)?),
        (5, encode(&chunk)?),
    ];
    for record in records {
        samples.push((4, encode(record)?));
    }
    Ok(samples)
}

fn again<T: Serialize + DeserializeOwned>(body: &[u8]) -> io::Result<Vec<u8>> {
    encode(&decode::<T>("message", body)?)
}

fn vote(body: &[u8]) -> io::Result<Vec<u8>> {
    let ask: VoteAsk = decode("message", body)?;
    encode(&VoteAsk::from(VoteRequest::<Types>::from(ask)))
}

fn append(body: &[u8]) -> io::Result<Vec<u8>> {
    let ask: AppendAsk = decode("message", body)?;
    let sent = ask.sent.clone();
    let ask: AppendEntriesRequest<Types> = ask.try_into()?;
    encode(&AppendAsk::new(ask, sent))
}

fn transfer(body: &[u8]) -> io::Result<Vec<u8>> {
    let ask: TransferAsk = decode("message", body)?;
    encode(&TransferAsk::from(TransferLeaderRequest::<Types>::from(
        ask,
    )))
}

fn install(body: &[u8]) -> io::Result<Vec<u8>> {
    let ask: InstallAsk = decode("message", body)?;
    let meta = ImageMeta::try_from(ask.covered)?;
    encode(&InstallAsk {
        covered: Covered::from(&meta),
        ..ask
    })
}

/// An entry, as it also lies in the log.
fn record(body: &[u8]) -> io::Result<Vec<u8>> {
    let record: Record = decode("message", body)?;
    encode(&Record::from(Entry::try_from(record)?))
}

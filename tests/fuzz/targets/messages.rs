//! What members say to each other: Raft's bodies, and the product's own. Whatever is read is written so that it is
//! read the same again.

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::version::Supported;
use aegis_updates::control::machine::encode_submission;
use aegis_updates::control::peers::wire::{
    BeginAnswer, BeginAsk, ExplainAnswer, HostsAnswer, JoinAnswer, JoinAsk, LookAsk, PreviewAnswer,
    PreviewAsk, SampleAnswer, SampleAsk, SteerAnswer, SteerAsk, SubmitAnswer, SubmitAsk, decode,
    encode,
};
use aegis_updates::fleet::view::Sample;
use aegis_updates::machine::command::{Command, Joiner};
use aegis_updates_raft::network::bodies;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::corpus::moments;
use crate::runner::{Target, Verdict};

type Again = fn(&[u8]) -> Result<Vec<u8>, String>;

#[test]
fn raft_bodies() {
    let payloads: Vec<_> = moments()
        .iter()
        .step_by(29)
        .map(|moment| encode_submission(&moment.submission).expect("it is encoded"))
        .collect();
    let samples = bodies::samples(&payloads).expect("they are encoded");
    let read = |kind: usize, body: &[u8]| {
        let again = bodies::BODIES[kind % bodies::BODIES.len()];
        again(body).map_err(|error| error.to_string())
    };
    let target = Target {
        name: "raft_bodies",
        seeds: samples
            .into_iter()
            .map(|(kind, body)| tagged(kind, body))
            .collect(),
        shape: None,
        inputs: 40_000,
        judge: &|_, bytes| judge(bytes, &read),
    };
    target.run();
}

#[test]
fn peer_bodies() {
    let kinds: [Again; 15] = [
        again::<SubmitAsk>,
        again::<SubmitAnswer>,
        again::<BeginAsk>,
        again::<BeginAnswer>,
        again::<SampleAsk>,
        again::<SampleAnswer>,
        again::<ExplainAnswer>,
        again::<HostsAnswer>,
        again::<PreviewAsk>,
        again::<PreviewAnswer>,
        again::<LookAsk>,
        again::<SteerAsk>,
        again::<SteerAnswer>,
        again::<JoinAsk>,
        again::<JoinAnswer>,
    ];
    let read = |kind: usize, body: &[u8]| kinds[kind % kinds.len()](body);
    let target = Target {
        name: "peer_bodies",
        seeds: samples(),
        shape: None,
        inputs: 40_000,
        judge: &|_, bytes| judge(bytes, &read),
    };
    target.run();
}

fn tagged(kind: u8, body: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(body);
    bytes
}

/// Reads a body of the kind with this number, and writes it again.
type Read<'a> = dyn Fn(usize, &[u8]) -> Result<Vec<u8>, String> + 'a;

fn judge(bytes: &[u8], read: &Read) -> Result<Verdict, String> {
    let Some((kind, body)) = bytes.split_first() else {
        return Ok(Verdict::Unread);
    };
    let kind = usize::from(*kind);
    let Ok(written) = read(kind, body) else {
        return Ok(Verdict::Unread);
    };
    match read(kind, &written) {
        Ok(again) if again == written => Ok(Verdict::Accepted),
        other => Err(format!(
            "it is written as {written:?} and then as {other:?}"
        )),
    }
}

fn again<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<Vec<u8>, String> {
    encode(&decode::<T>(body)?)
}

fn samples() -> Vec<Vec<u8>> {
    let mut samples = Vec::new();
    for moment in moments().into_iter().step_by(5) {
        let submission = moment.submission;
        match &submission.command {
            Command::CreatePlan(spec) => {
                samples.push(tagged(8, bytes(&PreviewAsk { spec: spec.clone() })))
            }
            Command::Begin { node, begin } => {
                let (node, begin) = (node.clone(), begin.clone());
                samples.push(tagged(2, bytes(&BeginAsk { node, begin })));
            }
            _ => {}
        }
        let ask = SubmitAsk {
            actor: Principal::Token {
                id: "admin-1".to_owned(),
                role: Role::Admin,
            },
            reason: submission.reason,
            request: submission.request,
            command: submission.command,
            within_ms: 2_000,
        };
        samples.push(tagged(0, bytes(&ask)));
    }
    let sample = Sample {
        healthy: true,
        version: Some("1.0.0".to_owned()),
        digest: Some(Digest::of(b"old")),
        ready: true,
        drained: false,
        safe_to_stop: Ok(()),
        disk_free_bytes: 1 << 40,
        generation: Default::default(),
        step: None,
    };
    let node = "node-1".parse().expect("a name");
    samples.push(tagged(
        4,
        bytes(&SampleAsk {
            node,
            sample,
            supports: Some(Supported::OURS),
            wall_ms: Some(1_795_000_000_000),
        }),
    ));
    let joiner = Joiner {
        token: Digest::of(b"token"),
        nonce: Digest::of(b"nonce"),
        node: "node-2".parse().expect("a name"),
        address: "http://127.0.0.1:1".to_owned(),
        api: String::new(),
        peer: "127.0.0.1:1".to_owned(),
        zone: None,
    };
    let csr_pem = "-----BEGIN CERTIFICATE REQUEST-----".to_owned();
    samples.push(tagged(
        13,
        bytes(&JoinAsk {
            joiner,
            csr_pem,
            supports: Some(Supported::OURS),
        }),
    ));
    samples
}

fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    encode(value).expect("it is encoded")
}

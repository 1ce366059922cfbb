//! The refusals that another member, its host or a joiner meets. They go over the member listener, with
//! a member's certificate or, to join, with none; forming is asked by the daemon of this very host.

use aegis_updates::access::principal::Principal;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::duration::Millis;
use aegis_updates::base::ids::MemberId;
use aegis_updates::base::limits::{NODES_MAX, TAKE_AGE_MAX};
use aegis_updates::control::peers::client;
use aegis_updates::control::peers::wire::{
    self, BeginAnswer, BeginAsk, JoinAnswer, JoinAsk, SubmitAnswer, SubmitAsk,
};
use aegis_updates::fleet::intent::{Begin, Which};
use aegis_updates::fleet::observation::{Answer, Notice, Observation, Report};
use aegis_updates::machine::command::{Command, Founder, Joiner, Settings};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::submission::Submission;
use aegis_updates_raft::network::{JOIN, ask_to_join};
use aegis_updates_raft::pki::{Request, fingerprint};
use http::Request as Message;
use hyper::body::Bytes;

use super::rig::{LATE, ME, Rig};
use super::scene::{PLAN, healthy, join_token, joiner, name, submission};
use super::stranger::stranger;

const SECOND: MemberId = MemberId(2);

/// What is sent to the member under test.
pub enum Ask {
    Join(Joiner),
    /// From the host of the second node.
    Begin(Begin),
    Observe(Observation),
    /// From this member's own daemon.
    Own(Command),
}

impl Ask {
    pub async fn send(self, rig: &Rig) -> Refusal {
        match self {
            Self::Join(joiner) => join(rig, joiner).await,
            Self::Begin(begin) => {
                let ask = BeginAsk {
                    node: name(2),
                    begin,
                };
                match over_tls(rig, wire::BEGIN, &ask).await {
                    BeginAnswer::Refused(refusal) => refusal,
                    other => panic!("not refused: {other:?}"),
                }
            }
            Self::Observe(observation) => {
                let ask = SubmitAsk {
                    actor: Principal::Member { member: SECOND },
                    reason: None,
                    request: None,
                    command: Command::Observe(observation),
                    within_ms: 5_000,
                };
                match over_tls(rig, wire::SUBMIT, &ask).await {
                    SubmitAnswer::Applied(written) => written.result.unwrap_err(),
                    other => panic!("not applied: {other:?}"),
                }
            }
            Self::Own(command) => {
                let replica = rig.station.replica();
                let written = replica.submit(replica.own(command)).await.unwrap();
                written.result.unwrap_err()
            }
        }
    }
}

async fn over_tls<A: serde::Serialize, T: serde::de::DeserializeOwned>(
    rig: &Rig,
    path: &str,
    ask: &A,
) -> T {
    let second = stranger(SECOND.0, &rig.authority, &rig.peer).await;
    let peers = second.member.peer_client();
    let answer = client::ask(&peers, ME, path, ask, LATE).await.unwrap();
    second.member.shutdown().await;
    answer
}

async fn join(rig: &Rig, joiner: Joiner) -> Refusal {
    let ask = JoinAsk {
        joiner,
        csr_pem: Request::create().unwrap().csr_pem,
        supports: None,
    };
    let request = Message::post(JOIN)
        .body(Bytes::from(wire::encode(&ask).unwrap()))
        .unwrap();
    let ca = fingerprint(rig.authority.certificate_pem()).unwrap();
    let answer = ask_to_join(&rig.peer, ca, request, LATE).await.unwrap();
    match wire::decode(answer.body()).unwrap() {
        JoinAnswer::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub type Case = (Rig, Ask);

pub async fn not_formed() -> Case {
    let ask = Ask::Join(joiner(2, Digest::of(b"secret")));
    (Rig::unformed().await, ask)
}

pub async fn already_formed() -> Case {
    let founder = Founder {
        cluster: "another".to_owned(),
        node: name(1),
        member: ME,
        address: String::new(),
        api: String::new(),
        peer: String::new(),
        zone: None,
        settings: Settings {
            quorum_loss_grace_ms: 10_000,
            url_allow: Vec::new(),
            voters_max: 5,
        },
        token: None,
    };
    (Rig::of(1).await, Ask::Own(Command::Form(founder)))
}

pub async fn bad_join_token() -> Case {
    let ask = Ask::Join(joiner(2, Digest::of(b"guessed")));
    (Rig::of(1).await, ask)
}

pub async fn name_taken() -> Case {
    let rig = Rig::of(2).await;
    let secret = Digest::of(b"secret");
    rig.must(ME, join_token("join-9", secret)).await;
    let other = Joiner {
        nonce: Digest::of(b"of another host"),
        ..joiner(2, secret)
    };
    (rig, Ask::Join(other))
}

pub async fn too_many_nodes() -> Case {
    let rig = Rig::of(1).await;
    let secret = |number: u64| Digest::of(&number.to_be_bytes());
    let more = 2..=NODES_MAX as u64;
    let tokens = more
        .clone()
        .chain([9_999])
        .map(|number| submission(ME, join_token(&format!("join-{number}"), secret(number))));
    rig.must_all(tokens).await;
    let join = |number| submission(ME, Command::Join(joiner(number, secret(number))));
    rig.must_all(more.map(join)).await;
    (rig, Ask::Join(joiner(9_999, secret(9_999))))
}

pub async fn stale_generation() -> Case {
    let rig = Rig::taken().await;
    let before = rig.begin(Which::First, 1);
    let after = rig.node(2).generation;
    let stand_down = Command::StandDown {
        node: name(2),
        after,
    };
    rig.must(ME, stand_down).await;
    rig.hear();
    (rig, Ask::Begin(before))
}

pub async fn stale_report() -> Case {
    let rig = Rig::of(3).await;
    let seen = rig.report(2, healthy(), Report::Noticed(Notice::Changed));
    rig.see(2, healthy(), Report::Noticed(Notice::Changed))
        .await;
    (rig, Ask::Observe(seen))
}

pub async fn foreign_report() -> Case {
    let rig = Rig::of(3).await;
    let seen = rig.report(3, healthy(), Report::Noticed(Notice::Changed));
    (rig, Ask::Observe(seen))
}

pub async fn begin_answered() -> Case {
    let rig = Rig::taken().await;
    let answer = Answer::GivenBack {
        reason: "no begin was granted".to_owned(),
    };
    let answered = Report::Answered {
        answer,
        acted: false,
    };
    rig.see(2, healthy(), answered).await;
    rig.hear();
    let begin = rig.begin(Which::First, 1);
    (rig, Ask::Begin(begin))
}

pub async fn begin_out_of_order() -> Case {
    let rig = Rig::taken().await;
    rig.hear();
    let begin = rig.begin(Which::Second, 1);
    (rig, Ask::Begin(begin))
}

pub async fn begin_repeated() -> Case {
    let rig = Rig::begun().await;
    rig.hear();
    let begin = rig.begin(Which::First, 1);
    (rig, Ask::Begin(begin))
}

pub async fn plan_not_in_progress() -> Case {
    let rig = Rig::taken().await;
    rig.must(ME, Command::Pause { plan: PLAN }).await;
    rig.hear();
    let begin = rig.begin(Which::First, 1);
    (rig, Ask::Begin(begin))
}

pub async fn take_of_old_term() -> Case {
    let rig = Rig::taken().await.restart().await;
    rig.open_term().await;
    rig.hear();
    let begin = rig.begin(Which::First, 1);
    (rig, Ask::Begin(begin))
}

pub async fn take_too_old() -> Case {
    let rig = Rig::taken().await;
    let tick = submission(ME, Command::Tick { previous_ms: 1 });
    // One entry moves `run` by two seconds at most.
    let Millis(age) = TAKE_AGE_MAX;
    for _ in 0..=age / 2_000 {
        let late = Submission {
            elapsed_ms: 2_000,
            ..tick.clone()
        };
        rig.append(&late).await.unwrap();
    }
    rig.hear();
    let begin = rig.begin(Which::First, 1);
    (rig, Ask::Begin(begin))
}

//! What can be wrong with a request before the core hears of it, each over HTTP at a real member. A kind
//! without a case does not compile.

use aegis_updates::access::principal::Role;
use aegis_updates::http::kind::Kind;
use aegis_updates::http::limiter::Limiter;
use aegis_updates::plans::strategy::Strategy;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http::{Ask, plan};
use super::rig::Rig;
use super::scene::{secret_of, spec};
use crate::support::http::Answer;

/// How a kind is met.
enum Way {
    /// By this one request.
    Ask(Ask),
    /// By what no proper client sends: the rest of a request to pause a plan.
    Raw(&'static [u8]),
    /// By one request more than a principal may send.
    Often,
    /// By one follower more than a member serves.
    Crowd,
}

macro_rules! kinds {
    ($($kind:ident $status:literal $way:expr;)*) => {
        const ALL: &[Kind] = &[$(Kind::$kind),*];

        fn case(kind: Kind) -> (u16, Way) {
            match kind {
                $(Kind::$kind => ($status, $way),)*
            }
        }
    };
}

fn ask(ask: Ask) -> Way {
    Way::Ask(ask)
}

fn path(path: &str) -> Way {
    ask(Ask::get(path))
}

fn token(body: Value) -> Way {
    ask(Ask::post("/tokens", body))
}

fn pause() -> Ask {
    Ask::post("/plans/p-1/pause", json!({}))
}

kinds! {
    UnknownRoute 404 path("/nowhere");
    MethodNotAllowed 405 ask(Ask::delete("/plan"));
    MalformedPath 400 path("/nodes/%FF");
    BodyTooLarge 413 ask(Ask::post("/plan", json!("x".repeat(1 << 20))));
    BodyTooSlow 408 Way::Raw(b"content-length: 9\r\n\r\n{");
    Unauthorized 401 ask(Ask { role: None, ..Ask::get("/whoami") });
    Forbidden 403 ask(Ask { role: Some(Role::Viewer), ..pause() });
    RateLimited 429 Way::Often;
    TooManyWatchers 429 Way::Crowd;
    UnknownParameter 400 path("/plans?colour=red");
    DuplicateParameter 400 path("/plans?limit=1&limit=2");
    MalformedParameter 400 path("/plans?limit=0");
    MalformedBody 400 ask(Ask::post("/plan", json!([1, 2])));
    UnknownField 400 ask(plan(json!({ "surprise": 1 })));
    MalformedReason 400 Way::Raw(b"x-reason: \xff\r\ncontent-length: 2\r\n\r\n{}");
    ReasonRequired 400 ask(Ask::post("/nodes/node-1/release-slot", json!({})));
    MalformedIdempotencyKey 400 ask(pause().header("idempotency-key", "a b"));
    MalformedRevision 400 ask(
        Ask::post("/execute", json!({ "plan_id": "p-1" })).header("if-match", "new")
    );
    MalformedName 400 path("/nodes/..%2F..");
    DuplicateNodes 400 ask(plan(json!({ "nodes": ["node-1", "node-1"] })));
    TooManyNames 400 ask(plan(json!({ "nodes": vec!["node-1"; 1_001] })));
    MalformedPlanId 400 path("/status/17");
    MalformedTokenId 400 ask(Ask::delete("/tokens/A"));
    MalformedRole 400 token(json!({ "role": "king" }));
    MalformedPlace 400 path("/journal?cursor=x");
    MalformedDuration 400 token(json!({ "role": "viewer", "ttl": "9" }));
    MalformedVersion 400 ask(plan(json!({ "version": "latest" })));
    MalformedSha256 400 ask(plan(json!({ "sha256": "sha256hash..." })));
    MalformedUrl 400 ask(plan(json!({ "binary_url": "https://u:p@ok.example/x" })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_or_may_not_be_asked_is_refused_by_its_own_code_and_changes_nothing() {
    let rig = Rig::of(1).await;
    rig.create(spec(
        None,
        Strategy {
            allow_downtime: true,
            ..Strategy::default()
        },
    ))
    .await;
    let before = rig.print();
    for kind in ALL {
        let (status, way) = case(*kind);
        let answer = match way {
            Way::Ask(ask) => ask.send(&rig.api).await,
            Way::Raw(rest) => raw(&rig, rest).await,
            Way::Often => often(&rig).await,
            Way::Crowd => crowd(&rig).await,
        };
        expect(*kind, status, &answer);
        assert_eq!(rig.print(), before, "{kind:?}");
    }
    rig.end().await;
}

/// Ways in which a value can be wrong that share a kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_kind_covers_every_way_of_being_wrong() {
    let rig = Rig::of(1).await;
    let before = rig.print();
    let strategy = |strategy: Value| plan(json!({ "strategy": strategy }));
    let cases = [
        (
            Kind::MalformedUrl,
            plan(json!({ "binary_url": "ok.example" })),
        ),
        (
            Kind::MalformedUrl,
            plan(json!({ "binary_url": "ftp://ok.example/x" })),
        ),
        (Kind::MalformedName, plan(json!({ "nodes": ["Node 1"] }))),
        (
            Kind::MalformedDuration,
            strategy(json!({ "rollback_notice": "soon" })),
        ),
        (
            Kind::MalformedDuration,
            strategy(json!({ "deadlines": { "soak": 30 } })),
        ),
        (Kind::UnknownField, strategy(json!({ "soke": "30s" }))),
        (
            Kind::UnknownField,
            Ask::post("/plans/p-1/pause", json!({ "x": 1 })),
        ),
        (Kind::MalformedBody, plan(json!({ "version": 1 }))),
        (
            Kind::MalformedBody,
            Ask {
                body: None,
                ..plan(json!({}))
            },
        ),
        (
            Kind::MalformedParameter,
            Ask::get("/plans?consistency=maybe"),
        ),
        (Kind::MalformedParameter, Ask::get("/plans?status=Running")),
        (
            Kind::MalformedPlanId,
            Ask::post("/execute", json!({ "plan_id": "one" })),
        ),
        (
            Kind::MalformedDuration,
            Ask::post("/execute?wait=long", json!({ "plan_id": "p-1" })),
        ),
        (
            Kind::Unauthorized,
            Ask {
                role: None,
                ..Ask::get("/whoami")
            }
            .header("authorization", "Basic YTpi"),
        ),
    ];
    for (kind, ask) in cases {
        let answer = ask.send(&rig.api).await;
        expect(kind, kind.status().as_u16(), &answer);
    }
    assert_eq!(rig.print(), before);
    rig.end().await;
}

fn expect(kind: Kind, status: u16, answer: &Answer) {
    let told = answer.json();
    let what = format!("{kind:?}: {} {told}", answer.status);
    assert_eq!(answer.status, status, "{what}");
    assert_eq!(kind.status().as_u16(), status, "{what}");
    assert_eq!(told["code"], json!(kind.code()), "{what}");
    assert_eq!(told["success"], json!(false), "{what}");
    for field in ["error", "remedy"] {
        let text = told[field].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{what}");
    }
}

async fn raw(rig: &Rig, rest: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(&rig.api).await.unwrap();
    let head = format!(
        "POST /api/v1/updates/plans/p-1/pause HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {}\r\n",
        secret_of(Role::Admin)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(rest).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        body: body.to_owned().into(),
    }
}

async fn often(rig: &Rig) -> Answer {
    // One more is earned each second: on however slow a machine, not fifty.
    let address = rig.listen(Limiter::new(1, 3)).await;
    for _ in 0..50 {
        let answer = Ask::get("/whoami").send(&address).await;
        if answer.status != 200 {
            return answer;
        }
    }
    panic!("fifty requests were served where three and one a second may be");
}

async fn crowd(rig: &Rig) -> Answer {
    let mut watching = Vec::new();
    for _ in 0..aegis_updates::http::api::WATCHERS_MAX {
        watching.push(watch(&rig.api).await);
    }
    Ask::get("/plans/p-1/events").send(&rig.api).await
}

/// A connection that follows the plan; it does once the answer's head is there.
async fn watch(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /api/v1/updates/plans/p-1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        secret_of(Role::Viewer)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    stream
}

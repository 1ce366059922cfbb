//! The refusals that a person's or program's request can meet: for each a cluster in which it is due,
//! and the request. They go over HTTP, with the administrator's token.

use aegis_updates::access::principal::Role;
use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::MemberId;
use aegis_updates::base::limits::{
    PENDING_PLANS_MAX, REASON_LENGTH_MAX, REQUEST_KEYS_MAX, TOKENS_MAX,
};
use aegis_updates::fleet::observation::{Database, Notice, Report};
use aegis_updates::machine::command::{Change, Command};
use aegis_updates::plans::strategy::{OnQuorumLoss, Strategy};
use serde_json::{Value, json};

use super::rig::{ME, Rig};
use super::scene::{PLAN, healthy, keyed, name, secret_of, spec, submission, token};
use crate::support::http::{Answer, request_with};

const PREFIX: &str = "/api/v1/updates";

/// A request; the token of `role` goes with it.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
    pub role: Option<Role>,
}

impl Ask {
    fn new(method: &'static str, path: &str, body: Option<Value>) -> Self {
        Self {
            method,
            path: format!("{PREFIX}{path}"),
            body,
            headers: Vec::new(),
            role: Some(Role::Admin),
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path, None)
    }

    pub fn delete(path: &str) -> Self {
        Self::new("DELETE", path, None)
    }

    pub fn post(path: &str, body: Value) -> Self {
        Self::new("POST", path, Some(body))
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub async fn send(&self, address: &str) -> Answer {
        let bearer = self.role.map(|role| format!("Bearer {}", secret_of(role)));
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer));
        }
        let sent = request_with(
            self.method,
            address,
            &self.path,
            self.body.as_ref(),
            &headers,
        );
        sent.await.unwrap()
    }
}

/// A request that creates a plan, with these fields in place of good ones.
pub fn plan(changed: Value) -> Ask {
    let mut body = json!({
        "version": "1.1.0",
        "binary_url": "https://ok.example/aegis-1.1.0",
        "sha256": "ab".repeat(32),
    });
    if let (Some(body), Value::Object(changed)) = (body.as_object_mut(), changed) {
        body.extend(changed);
    }
    Ask::post("/plan", body)
}

fn steer(act: &str) -> Ask {
    Ask::post(&format!("/plans/p-1/{act}"), json!({}))
}

fn execute(revision: Option<u64>) -> Ask {
    Ask::post(
        "/execute",
        json!({ "plan_id": "p-1", "revision": revision }),
    )
}

fn release_slot() -> Ask {
    let ask = Ask::post("/nodes/node-2/release-slot", json!({}));
    ask.header("x-reason", "its host is gone")
}

fn promote() -> Ask {
    Ask::post("/cluster/members/node-2/promote", json!({}))
}

pub type Case = (Rig, Ask);

pub async fn unknown_plan() -> Case {
    (Rig::of(1).await, steer("pause"))
}

pub async fn unknown_node() -> Case {
    (Rig::of(3).await, plan(json!({ "nodes": ["node-9"] })))
}

pub async fn empty_nodes() -> Case {
    (Rig::of(3).await, plan(json!({ "nodes": [] })))
}

pub async fn not_in_plan() -> Case {
    let rig = Rig::of(3).await;
    rig.create(spec(Some(&[2]), Strategy::default())).await;
    rig.execute().await;
    (rig, steer("nodes/node-3/skip"))
}

pub async fn url_not_allowed() -> Case {
    let url = "https://ok.example.evil.com/aegis-1.1.0";
    (Rig::of(3).await, plan(json!({ "binary_url": url })))
}

pub async fn downgrade() -> Case {
    let rig = Rig::of(3).await;
    let newer = Database {
        version: Some("2.0.0".to_owned()),
        ..healthy()
    };
    rig.see(3, newer, Report::Noticed(Notice::Changed)).await;
    (rig, plan(json!({})))
}

pub async fn node_busy() -> Case {
    let rig = Rig::running().await;
    rig.hear();
    (rig, Ask::delete("/cluster/members/node-2"))
}

pub async fn quorum_unsafe() -> Case {
    let strategy = json!({ "max_unavailable": 3, "min_available": 3 });
    (Rig::of(3).await, plan(json!({ "strategy": strategy })))
}

pub async fn no_second_node() -> Case {
    (Rig::of(1).await, plan(json!({})))
}

pub async fn drift() -> Case {
    let rig = Rig::of(3).await;
    let drifted = Database {
        installed: Some(Digest::of(b"another")),
        ..healthy()
    };
    rig.see(2, drifted, Report::Noticed(Notice::Changed)).await;
    (rig, plan(json!({})))
}

pub async fn plan_live() -> Case {
    let rig = Rig::running().await;
    rig.create(spec(None, Strategy::default())).await;
    (rig, Ask::post("/execute", json!({ "plan_id": "p-2" })))
}

pub async fn wrong_status() -> Case {
    (Rig::pending().await, steer("rollback"))
}

pub async fn wrong_node_status() -> Case {
    (Rig::running().await, steer("nodes/node-2/retry"))
}

pub async fn not_ready() -> Case {
    let rig = Rig::pending().await;
    announce(&rig).await;
    (rig, execute(None))
}

/// A change of membership that nobody ends.
async fn announce(rig: &Rig) {
    let change = Change::Add {
        member: MemberId(9),
    };
    rig.must(ME, Command::OpenMembership { change }).await;
}

pub async fn revision_mismatch() -> Case {
    (Rig::pending().await, execute(Some(7)))
}

pub async fn too_many_pending() -> Case {
    let rig = Rig::of(3).await;
    for _ in 0..PENDING_PLANS_MAX {
        rig.create(spec(None, Strategy::default())).await;
    }
    (rig, plan(json!({})))
}

pub async fn direction_needed() -> Case {
    let rig = Rig::of(3).await;
    let strategy = Strategy {
        on_quorum_loss: OnQuorumLoss::Pause,
        ..Strategy::default()
    };
    rig.create(spec(None, strategy)).await;
    rig.execute().await;
    let lost = vec![name(2), name(3)];
    rig.must(ME, Command::LoseQuorum { plan: PLAN, lost }).await;
    (rig, steer("resume"))
}

pub async fn nothing_to_roll_back() -> Case {
    let rig = Rig::pending().await;
    rig.must(ME, Command::Cancel { plan: PLAN }).await;
    (rig, steer("rollback"))
}

pub async fn host_heard() -> Case {
    let rig = Rig::taken().await;
    rig.hear();
    (rig, release_slot())
}

pub async fn begin_open() -> Case {
    (Rig::begun().await, release_slot())
}

pub async fn no_slot() -> Case {
    (Rig::of(3).await, release_slot())
}

pub async fn key_reused() -> Case {
    let rig = Rig::of(1).await;
    let ask = |role| Ask::post("/tokens", json!({ "role": role })).header("idempotency-key", "k");
    let first = ask("viewer").send(&rig.api).await;
    assert_eq!(first.status, 201, "{}", first.text());
    (rig, ask("operator"))
}

pub async fn request_table_full() -> Case {
    let rig = Rig::of(1).await;
    let clear = || Command::ClearDrift { node: name(1) };
    let keys = (0..REQUEST_KEYS_MAX).map(|number| keyed(ME, clear(), &format!("k-{number}")));
    rig.must_all(keys).await;
    let ask = Ask::post("/nodes/node-1/clear", json!({})).header("idempotency-key", "one-more");
    (rig, ask)
}

pub async fn token_exists() -> Case {
    let body = json!({ "id": "viewer-1", "role": "viewer" });
    (Rig::of(1).await, Ask::post("/tokens", body))
}

pub async fn unknown_token() -> Case {
    (Rig::of(1).await, Ask::delete("/tokens/nobody"))
}

pub async fn too_many_tokens() -> Case {
    let rig = Rig::of(1).await;
    let had = rig.state().tokens.len();
    let tokens = (had..TOKENS_MAX).map(|number| {
        let name = format!("token-{number}");
        submission(ME, token(&name, &name, Grant::Role(Role::Viewer)))
    });
    rig.must_all(tokens).await;
    (rig, Ask::post("/tokens", json!({ "role": "viewer" })))
}

pub async fn reason_too_long() -> Case {
    let reason = "x".repeat(REASON_LENGTH_MAX + 1);
    let ask = steer("pause").header("x-reason", &reason);
    (Rig::running().await, ask)
}

pub async fn membership_changing() -> Case {
    let rig = Rig::of(3).await;
    announce(&rig).await;
    (rig, promote())
}

pub async fn slot_held() -> Case {
    let ask = Ask::post("/cluster/members/node-3/promote", json!({}));
    (Rig::taken().await, ask)
}

pub async fn would_lose_quorum() -> Case {
    (Rig::of(1).await, Ask::delete("/cluster/members/node-1"))
}

pub async fn voters_full() -> Case {
    (Rig::with_voters_max(2, 1).await, promote())
}

fn finalize(version: u32) -> Ask {
    Ask::post("/cluster/finalize", json!({ "version": version }))
}

/// It never falls.
pub async fn cluster_version() -> Case {
    (Rig::of(1).await, finalize(0))
}

pub async fn version_unsupported() -> Case {
    let rig = Rig::of(3).await;
    rig.hear();
    (rig, finalize(2))
}

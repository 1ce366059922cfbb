//! What time does to a refusal, and a member that cannot write: neither changes anything on the way.

use aegis_updates::base::limits::{PENDING_EXPIRY, PENDING_PLANS_MAX};
use aegis_updates::control::service::Unavailable;
use aegis_updates::http::error::unavailable_code;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::submission::Submission;
use aegis_updates::plans::plan::{Plan, Status};
use aegis_updates::plans::strategy::Strategy;
use serde_json::json;

use super::http::Ask;
use super::rig::{ME, Rig};
use super::scene::{PLAN, name, spec, submission};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_that_expired_are_cancelled_by_what_is_accepted_and_never_by_what_is_refused() {
    let rig = Rig::of(3).await;
    for _ in 0..PENDING_PLANS_MAX {
        rig.create(spec(None, Strategy::default())).await;
    }
    let later = Submission {
        wall_ms: rig.state().head.clock.wall_ms + PENDING_EXPIRY.0 + 1_000,
        ..submission(ME, Command::ClearDrift { node: name(1) })
    };
    rig.append(&later).await.unwrap();
    let before = rig.print();
    let execute = Command::Execute {
        plan: PLAN,
        revision: None,
    };
    let refused = rig.put(ME, execute).await;
    assert!(
        matches!(refused, Err(Refusal::WrongStatus { .. })),
        "{refused:?}"
    );
    let nobody = spec(Some(&[]), Strategy::default());
    let refused = rig.put(ME, Command::CreatePlan(nobody)).await;
    assert_eq!(refused, Err(Refusal::EmptyNodes));
    assert_eq!(rig.print(), before);
    rig.create(spec(None, Strategy::default())).await;
    let cancelled = |plan: &&Plan| plan.status == Status::Cancelled;
    let state = rig.state();
    assert_eq!(
        state.plans.values().filter(cancelled).count(),
        PENDING_PLANS_MAX
    );
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_cannot_write_says_why_and_writes_nothing() {
    let rig = Rig::of(1).await.restart().await;
    let before = rig.print();
    let ask = Ask::post("/tokens", json!({ "role": "viewer" }));
    // It leads, and must not decide before its term is open.
    let answer = ask.send(&rig.api).await;
    expect(&answer, Unavailable::NoLeader);
    rig.member().shutdown().await;
    let answer = ask.send(&rig.api).await;
    expect(&answer, Unavailable::ShuttingDown);
    assert_eq!(rig.print(), before);
    rig.end().await;
}

fn expect(answer: &crate::support::http::Answer, why: Unavailable) {
    let told = answer.json();
    assert_eq!(answer.status, 503, "{told}");
    assert_eq!(told["code"], json!(unavailable_code(why)));
    assert_eq!(told["error"], json!(why.to_string()));
    assert!(told["remedy"].as_str().is_some_and(|text| !text.is_empty()));
}

//! The cluster version at a member's own doors: a joiner that cannot be at it, and a raise to where it is.

use aegis_updates::base::digest::Digest;
use aegis_updates::base::version::{Cluster, Supported};
use aegis_updates::control::peers::wire::{self, JoinAnswer, JoinAsk};
use aegis_updates::machine::refusal::{Refusal, Unfit};
use aegis_updates_raft::network::{JOIN, ask_to_join};
use aegis_updates_raft::pki::{Request, fingerprint};
use http::Request as Message;
use hyper::body::Bytes;
use serde_json::json;

use super::http::Ask;
use super::rig::{LATE, ME, Rig};
use super::scene::{join_token, joiner, name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_that_cannot_be_at_the_cluster_s_version_keeps_its_token() {
    let rig = Rig::of(1).await;
    let secret = Digest::of(b"join");
    rig.must(ME, join_token("join", secret)).await;
    let before = rig.print();
    let newer = Supported {
        oldest: Cluster(2),
        newest: Cluster(3),
    };
    let refusal = Refusal::VersionUnsupported {
        version: Cluster(1),
        members: vec![Unfit {
            node: name(2),
            supports: Some(newer),
        }],
    };
    let refused = join(&rig, secret, newer).await;
    assert!(
        matches!(&refused, JoinAnswer::Refused(why) if *why == refusal),
        "{refused:?}"
    );
    assert_eq!(rig.print(), before);
    let admitted = join(&rig, secret, Supported::FIRST).await;
    assert!(matches!(admitted, JoinAnswer::Admitted(_)), "{admitted:?}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raise_to_where_the_cluster_is_changes_nothing_and_is_no_failure() {
    let rig = Rig::of(3).await;
    let before = rig.print();
    rig.hear();
    for body in [json!({}), json!({ "version": 1 })] {
        let ask = Ask::post("/cluster/finalize", body);
        let answer = ask.send(&rig.api).await;
        let told = answer.json();
        assert_eq!(answer.status, 200, "{told}");
        let is = (&told["changed"], &told["version"]);
        assert_eq!(is, (&json!(false), &json!(1)), "{told}");
    }
    assert_eq!(rig.print(), before);
    rig.end().await;
}

async fn join(rig: &Rig, token: Digest, supports: Supported) -> JoinAnswer {
    let ask = JoinAsk {
        joiner: joiner(2, token),
        csr_pem: Request::create().unwrap().csr_pem,
        supports: Some(supports),
    };
    let request = Message::post(JOIN)
        .body(Bytes::from(wire::encode(&ask).unwrap()))
        .unwrap();
    let ca = fingerprint(rig.authority.certificate_pem()).unwrap();
    let answer = ask_to_join(&rig.peer, ca, request, LATE).await.unwrap();
    wire::decode(answer.body()).unwrap()
}

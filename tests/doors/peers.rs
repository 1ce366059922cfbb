//! Who is kept out of the member listener altogether: a member of another cluster, one that was removed,
//! and whoever shows no certificate. And that no listener beyond loopback speaks plaintext by accident.

use std::process::{Command, Stdio};

use aegis_updates::base::ids::MemberId;
use aegis_updates::control::peers::client::{self, Unanswered};
use aegis_updates::control::peers::wire::{self, HostsAnswer};
use aegis_updates_raft::network::ask_to_join;
use aegis_updates_raft::pki::{Authority, fingerprint};
use http::Request;
use hyper::body::Bytes;

use super::rig::{LATE, ME, Rig, wall_now};
use super::stranger::{Stranger, certified_stranger, stranger};

const OTHER: &str = "rock";

async fn ask(stranger: &Stranger) -> Result<HostsAnswer, Unanswered> {
    let peers = stranger.member.peer_client();
    client::ask(&peers, ME, wire::HOSTS, &(), LATE).await
}

async fn kept_out(rig: &Rig, stranger: Stranger) {
    let before = rig.print();
    let answer = ask(&stranger).await;
    assert!(matches!(answer, Err(Unanswered::NotTaken(_))), "{answer:?}");
    assert_eq!(rig.print(), before);
    stranger.member.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_this_cluster_is_answered() {
    let rig = Rig::of(2).await;
    let second = stranger(2, &rig.authority, &rig.peer).await;
    let answer = ask(&second).await;
    assert!(matches!(answer, Ok(HostsAnswer::Known(_))), "{answer:?}");
    second.member.shutdown().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_another_cluster_is_refused_whoever_signed_for_it() {
    let rig = Rig::of(2).await;
    let elsewhere = Authority::create(OTHER, wall_now()).unwrap();
    kept_out(
        &rig,
        certified_stranger(2, OTHER, &elsewhere, &rig.peer).await,
    )
    .await;
    // With this cluster's name in it, but not by its CA.
    kept_out(&rig, stranger(2, &elsewhere, &rig.peer).await).await;
    // By this CA, for another cluster.
    kept_out(
        &rig,
        certified_stranger(2, OTHER, &rig.authority, &rig.peer).await,
    )
    .await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_is_refused_though_its_certificate_is_good() {
    let rig = Rig::of(1).await;
    let second = stranger(2, &rig.authority, &rig.peer).await;
    let seat = aegis_updates_raft::application::Node {
        name: "node-2".to_owned(),
        peer_addr: "127.0.0.1:1".to_owned(),
    };
    rig.member().add_learner(2, seat, LATE).await.unwrap();
    assert!(matches!(ask(&second).await, Ok(HostsAnswer::Known(_))));
    rig.member().remove(2, LATE).await.unwrap();
    assert_eq!(rig.state().head.membership.members, [MemberId(1)].into());
    kept_out(&rig, second).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_shows_no_certificate_may_only_ask_to_join() {
    let rig = Rig::of(1).await;
    let ca = fingerprint(rig.authority.certificate_pem()).unwrap();
    for path in [
        wire::SUBMIT,
        wire::BEGIN,
        wire::STEER,
        wire::HOSTS,
        wire::SAMPLE,
    ] {
        let request = Request::post(path).body(Bytes::new()).unwrap();
        let answer = ask_to_join(&rig.peer, ca, request, LATE).await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
    rig.end().await;
}

/// The binary itself, with the product's own example as its file.
#[test]
fn a_listener_beyond_loopback_without_tls_is_refused_before_anything_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_aegis-updates");
    let example = Command::new(program).args(["config", "example"]).output();
    let text = String::from_utf8(example.unwrap().stdout).unwrap();
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    table.remove("tls");
    let data_dir = dir.path().join("data");
    set(&mut table, "node", "data_dir", data_dir.to_str().unwrap());
    let file = dir.path().join("config.toml");
    let mut serve = |api: &str| {
        set(&mut table, "listen", "api", api);
        std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
        let config = file.to_str().unwrap();
        let ended = Command::new(program)
            .args(["serve", "--config", config])
            .stdin(Stdio::null())
            .output();
        let ended = ended.unwrap();
        (
            ended.status.code(),
            String::from_utf8(ended.stderr).unwrap(),
        )
    };
    for api in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7460"] {
        let (code, said) = serve(api);
        assert_eq!(code, Some(78), "{said}");
        assert!(
            said.contains("listen.api") && said.contains("loopback"),
            "{said}"
        );
        assert!(!data_dir.exists(), "{said}");
    }
    // The same file with a loopback address gets past this: it belongs to no cluster, and says so.
    let (_, said) = serve("127.0.0.1:0");
    assert!(!said.contains("listen.api"), "{said}");
}

fn set(table: &mut toml::Table, section: &str, key: &str, value: &str) {
    let section = table[section].as_table_mut().unwrap();
    section.insert(key.to_owned(), value.into());
}

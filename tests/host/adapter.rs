//! The Aegis adapter against reference nodes, which answer as the real server does.

use std::time::Duration;

use aegis_updates::agent::adapter::aegis::{Aegis, Credentials, Settings};
use aegis_updates::agent::adapter::http::{self, Http};
use aegis_updates::agent::adapter::{Adapter, Error, Flush, Peer, RejoinEvidence, Seen};
use aegis_updates::agent::health::{self, HealthCheck, check_node_health, wait_for_healthy};
use aegis_updates::base::failure::Class;

use crate::support::node::{PATIENCE, Place};
use crate::support::release::{Recipe, Release};
use crate::support::wait::{wait_for, wait_until};

const USER: &str = "admin";
const PASSWORD: &str = "a long enough password";

fn adapter(place: &Place, credentials: Option<(&str, &str)>) -> Adapter {
    let settings = Settings {
        address: place.port.address(),
        node_id: place.id.clone(),
        timeout: Duration::from_secs(2),
        authority: None,
        rejoin_evidence: RejoinEvidence::Peers,
    };
    let credentials = credentials.map(|(username, password)| Credentials {
        username: username.to_owned(),
        password: password.to_owned(),
    });
    Adapter::Aegis(Aegis::new(settings, credentials).unwrap())
}

fn peer(place: &Place) -> Peer {
    Peer {
        name: place.id.clone(),
        address: place.port.address(),
    }
}

fn mint(directory: &std::path::Path) -> Release {
    Recipe::sound("1.0.0").mint(&directory.join("release"))
}

async fn wait_seen(adapter: &Adapter, at: &Peer, right: impl Fn(Seen) -> bool) -> Seen {
    wait_for(PATIENCE, "the peer's view is as expected", async || {
        adapter
            .peer_view(at)
            .await
            .unwrap()
            .filter(|seen| right(*seen))
    })
    .await
}

#[tokio::test]
async fn health_is_what_the_node_says_in_known_words_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let release = mint(directory.path());
    let place = Place::new(directory.path(), "n1");
    let adapter = adapter(&place, None);
    assert!(!adapter.health().await.healthy, "nobody answers");
    let _node = place.start_healthy(&release.path).await;
    let sample = adapter.health().await;
    assert_eq!(
        (sample.healthy, sample.version.as_deref()),
        (true, Some("1.0.0"))
    );
    for fault in ["never-healthy", "garbage-health", "slow-health=5000"] {
        place.set_fault(fault).await;
        assert!(!adapter.health().await.healthy, "{fault}");
    }
    place.set_fault("wrong-version=9.9.9").await;
    assert_eq!(adapter.health().await.version.as_deref(), Some("9.9.9"));
    assert_eq!(adapter.flush().await.unwrap(), Flush::ByStop);
    assert_eq!(adapter.probe_arguments(), ["--help"]);
    adapter.safe_to_stop().await.unwrap();
}

#[tokio::test]
async fn a_drain_is_told_to_the_others_and_undone_by_a_heartbeat() {
    let directory = tempfile::tempdir().unwrap();
    let release = mint(directory.path());
    let mut places = Place::cluster(directory.path(), 2);
    // Slow heartbeats, so that the mark can be seen before it is undone.
    for place in &mut places {
        place.environment[1].1 = "2000".to_owned();
    }
    let (_one, _two) = (
        places[0].start_healthy(&release.path).await,
        places[1].start_healthy(&release.path).await,
    );
    let adapter = adapter(&places[0], None);
    let other = peer(&places[1]);
    wait_seen(&adapter, &other, |seen| seen.online).await;
    // Told again and again, as the executor does: a heartbeat may undo the mark at once.
    let marked = wait_for(PATIENCE, "the mark is seen", async || {
        adapter.drain(std::slice::from_ref(&other)).await.unwrap();
        let seen = adapter.peer_view(&other).await.unwrap();
        seen.filter(|seen| !seen.online)
    })
    .await;
    let back = wait_seen(&adapter, &other, |seen| seen.online).await;
    assert!(back.last_seen_ms > marked.last_seen_ms);

    // Told to itself, the node answers 200 and does nothing: `success` is what counts.
    let error = adapter.drain(&[peer(&places[0])]).await.unwrap_err();
    match error {
        Error::Peers(failed) => assert!(matches!(*failed[0].1, Error::SaidNo { .. })),
        other => panic!("{other}"),
    }
    let nobody = Peer {
        name: "gone".to_owned(),
        address: crate::support::ports::lease().address(),
    };
    let error = adapter.drain(&[nobody, other]).await.unwrap_err();
    assert!(matches!(error, Error::Peers(failed) if failed.len() == 1 && failed[0].0 == "gone"));
}

#[tokio::test]
async fn a_restarted_node_is_back_when_a_peer_has_seen_it_later_than_before_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    let release = mint(directory.path());
    let places = Place::cluster(directory.path(), 2);
    let one = places[0].start_healthy(&release.path).await;
    let _two = places[1].start_healthy(&release.path).await;
    let adapter = adapter(&places[0], None);
    let other = peer(&places[1]);
    wait_seen(&adapter, &other, |seen| seen.online).await;
    one.stop().await;
    let before = adapter.peer_view(&other).await.unwrap().unwrap();
    let _one = places[0].start_healthy(&release.path).await;
    wait_seen(&adapter, &other, |seen| {
        seen.online && seen.last_seen_ms > before.last_seen_ms
    })
    .await;
}

#[tokio::test]
async fn a_login_is_made_where_configured_and_made_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let release = mint(directory.path());
    let mut place = Place::new(directory.path(), "n1");
    place
        .environment
        .push(("REFERENCE_USERNAME", USER.to_owned()));
    place
        .environment
        .push(("REFERENCE_PASSWORD", PASSWORD.to_owned()));
    let node = place.start_healthy(&release.path).await;
    let at = peer(&place);
    let open = adapter(&place, None).peer_view(&at).await.unwrap_err();
    assert!(
        matches!(open, Error::UnexpectedStatus { status: 401, .. }),
        "{open}"
    );
    let wrong = adapter(&place, Some((USER, "wrong")))
        .peer_view(&at)
        .await
        .unwrap_err();
    assert!(
        matches!(wrong, Error::LoginRefused { status: 401, .. }),
        "{wrong}"
    );
    assert!(!wrong.to_string().contains("wrong "));

    let adapter = adapter(&place, Some((USER, PASSWORD)));
    // A peer list without this node: rejoin must fall back to the node's own health.
    assert_eq!(adapter.peer_view(&at).await.unwrap(), None);
    node.stop().await;
    let _node = place.start_healthy(&release.path).await;
    assert_eq!(
        adapter.peer_view(&at).await.unwrap(),
        None,
        "with a new token"
    );
}

#[tokio::test]
async fn the_library_face_waits_for_the_expected_version() {
    let directory = tempfile::tempdir().unwrap();
    let release = mint(directory.path());
    let place = Place::new(directory.path(), "n1");
    let check = HealthCheck {
        interval: Duration::from_millis(20),
        deadline: Duration::from_secs(15),
        ..HealthCheck::new(format!("http://{}/health", place.port.address()))
    };
    assert!(!check_node_health(&check).await.healthy);
    let short = HealthCheck {
        deadline: Duration::from_millis(100),
        ..check.clone()
    };
    let error = wait_for_healthy(&short, Some("1.0.0")).await.unwrap_err();
    assert_eq!(error.class(), Class::HealthGateFailed);
    let _node = place.start(&release.path);
    wait_for_healthy(&check, Some("1.0.0")).await.unwrap();
    let error = wait_for_healthy(&check, Some("1.1.0")).await.unwrap_err();
    assert_eq!(error.class(), Class::VersionMismatch);
    assert!(matches!(error, health::Error::WrongVersion { found, .. } if found == "1.0.0"));
}

#[tokio::test]
async fn the_http_adapter_does_what_its_urls_say() {
    let directory = tempfile::tempdir().unwrap();
    let release = mint(directory.path());
    let place = Place::new(directory.path(), "n1");
    let _node = place.start_healthy(&release.path).await;
    let endpoint = |method: &str, path: &str| http::Endpoint {
        url: format!("http://{}{path}", place.port.address()),
        method: method.to_owned(),
        statuses: vec![200],
    };
    let settings = http::Settings {
        health: endpoint("GET", "/health"),
        version_pointer: "/version".to_owned(),
        drain: Some(endpoint("POST", "/no/such/route")),
        undrain: None,
        flush: Some(endpoint("POST", "/api/v1/admin/backup")),
        safe_to_stop: Some(endpoint("GET", "/api/v1/cluster/info")),
        probe_arguments: vec!["--help".to_owned()],
        timeout: Duration::from_secs(2),
    };
    let adapter = Adapter::Http(Box::new(Http::new(settings.clone()).unwrap()));
    let sample = adapter.health().await;
    assert_eq!(
        (sample.healthy, sample.version.as_deref()),
        (true, Some("1.0.0"))
    );
    assert_eq!(adapter.flush().await.unwrap(), Flush::Done);
    adapter.safe_to_stop().await.unwrap();
    adapter.undrain().await.unwrap();
    let error = adapter.drain(&[]).await.unwrap_err();
    assert!(
        matches!(error, Error::UnexpectedStatus { status: 404, .. }),
        "{error}"
    );
    assert_eq!(adapter.rejoin_evidence(), RejoinEvidence::Itself);
    place.set_fault("garbage-health").await;
    wait_until(PATIENCE, "garbage is not healthy", async || {
        !adapter.health().await.healthy
    })
    .await;

    let elsewhere = http::Settings {
        version_pointer: "/nothing/here".to_owned(),
        ..settings.clone()
    };
    place.set_fault("none").await;
    assert!(
        !Adapter::Http(Box::new(Http::new(elsewhere).unwrap()))
            .health()
            .await
            .healthy
    );
    let bad = http::Settings {
        version_pointer: "version".to_owned(),
        ..settings
    };
    assert!(matches!(Http::new(bad), Err(Error::BadSetting { .. })));
}

//! The sound reference node: writes that survive, peers that see one another, login, releases.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::http;
use crate::support::node::{PATIENCE, Place};
use crate::support::release::{Recipe, Release, digest_of, reference_node};
use crate::support::wait::wait_until;

fn sound(root: &TempDir) -> Release {
    Recipe::sound("1.0.0").mint(&root.path().join("sound"))
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill_and_a_clean_stop() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let place = Place::new(root.path(), "n1");

    let node = place.start_healthy(&release.path).await;
    for number in 0..50 {
        assert!(
            place
                .put(&format!("key-{number}"), &format!("value-{number}"))
                .await
        );
    }
    assert!(place.put("key-7", "changed").await);
    node.kill().await;

    let node = place.start_healthy(&release.path).await;
    assert_eq!(place.read("key-49").await.as_deref(), Some("value-49"));
    assert_eq!(place.read("key-7").await.as_deref(), Some("changed"));
    let before = fs::metadata(place.data_dir.join("data.log")).unwrap().len();
    node.stop().await;
    let after = fs::metadata(place.data_dir.join("data.log")).unwrap().len();
    assert!(
        after < before,
        "a clean stop leaves one record per key: {before} → {after} bytes"
    );

    let node = place.start_healthy(&release.path).await;
    assert_eq!(place.read("key-0").await.as_deref(), Some("value-0"));
    assert_eq!(place.read("key-7").await.as_deref(), Some("changed"));
    node.stop().await;
}

#[tokio::test]
async fn a_deleted_key_stays_deleted_and_lists_are_by_prefix() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let place = Place::new(root.path(), "n1");
    let node = place.start_healthy(&release.path).await;
    for key in ["a-1", "a-2", "b-1"] {
        assert!(place.put(key, "x").await);
    }
    let path = "/api/v1/kv/keys/a-1";
    let deleted = http::request("DELETE", &place.port.address(), path, None)
        .await
        .unwrap();
    assert_eq!(
        (deleted.status, deleted.json()["success"].clone()),
        (200, json!(true))
    );
    let again = http::request("DELETE", &place.port.address(), path, None)
        .await
        .unwrap();
    assert_eq!(again.status, 404);
    node.kill().await;

    let node = place.start_healthy(&release.path).await;
    assert_eq!(place.read("a-1").await, None);
    let listed = place.get("/api/v1/kv/keys?prefix=a-").await.unwrap().json();
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["keys"][0]["key"], "a-2");
    node.stop().await;
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_damage_in_the_middle_is_refused() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let place = Place::new(root.path(), "n1");
    let data = place.data_dir.join("data.log");

    let node = place.start_healthy(&release.path).await;
    assert!(place.put("first", "1").await);
    assert!(place.put("second", "2").await);
    node.kill().await;
    let whole = fs::read(&data).unwrap();

    // A record whose last bytes never reached the disk, then one of which only the head did.
    for torn in [
        &whole[..whole.len() - 3],
        &[&whole[..], &[200, 0, 0, 0, 9]].concat()[..],
    ] {
        fs::write(&data, torn).unwrap();
        let node = place.start_healthy(&release.path).await;
        assert_eq!(place.read("first").await.as_deref(), Some("1"));
        assert!(
            place.put("third", "3").await,
            "the log goes on after the cut"
        );
        node.kill().await;
        let node = place.start_healthy(&release.path).await;
        assert_eq!(place.read("third").await.as_deref(), Some("3"));
        node.kill().await;
    }

    let mut damaged = whole;
    let middle = damaged
        .windows(5)
        .position(|window| window == b"first")
        .unwrap();
    damaged[middle] ^= 1;
    fs::write(&data, &damaged).unwrap();
    let mut node = place.start(&release.path);
    assert_eq!(node.exit(PATIENCE).await, Some(Ok(1)));
    assert!(
        place.log_text().contains("is damaged and others follow it"),
        "{}",
        place.log_text()
    );
}

#[tokio::test]
async fn a_release_is_its_trailer_and_a_probe_runs_it() {
    let root = TempDir::new().unwrap();
    let one = Recipe::sound("1.1.0").mint(&root.path().join("one"));
    let other = Recipe {
        salt: "other",
        ..Recipe::sound("1.1.0")
    }
    .mint(&root.path().join("other"));
    assert_ne!(one.sha256, other.sha256, "a salt makes another release");
    assert_ne!(one.sha256, digest_of(&reference_node()));

    let run = |argument: &'static str| {
        std::process::Command::new(&one.path)
            .arg(argument)
            .output()
            .unwrap()
    };
    assert!(run("--help").status.success());
    assert!(
        !run("--version").status.success(),
        "the real database has no such flag either"
    );

    // Minting from a minted file replaces its trailer.
    let out = root.path().join("again");
    let status = std::process::Command::new(&one.path)
        .args(["mint", "--version", "1.1.0", "--salt", "other", "--out"])
        .arg(&out)
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(digest_of(&out), other.sha256);

    let place = Place::new(root.path(), "n1");
    let node = place.start_healthy(&one.path).await;
    assert_eq!(
        place.health().await.unwrap().json(),
        json!({ "status": "healthy", "version": "1.1.0" })
    );
    let running = digest_of(format!("/proc/{}/exe", node.pid().unwrap()).as_ref());
    assert_eq!(running, one.sha256);
    node.stop().await;
}

#[tokio::test]
async fn a_damaged_trailer_is_refused() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let mut bytes = fs::read(&release.path).unwrap();
    let at = bytes.len() - 60;
    bytes[at] ^= 1;
    let path = root.path().join("damaged");
    fs::write(&path, &bytes).unwrap();
    fs::set_permissions(&path, fs::metadata(&release.path).unwrap().permissions()).unwrap();
    let output = std::process::Command::new("sh")
        // The shell opens the file in a process of its own; see the note on minting.
        .args(["-c", "exec \"$0\" --data-dir /nonexistent"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("checksum"),
        "{output:?}"
    );
}

#[tokio::test]
async fn peers_see_one_another_and_a_drain_lasts_until_the_next_heartbeat() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let mut places = Place::cluster(root.path(), 3);
    // The first node beats so seldom that its peers' marks on it stay visible.
    places[0].environment = vec![
        ("REFERENCE_JOIN_MS", "50".to_owned()),
        ("REFERENCE_HEARTBEAT_MS", "3000".to_owned()),
    ];
    let first = places[0].start_healthy(&release.path).await;
    let second = places[1].start_healthy(&release.path).await;
    let third = places[2].start_healthy(&release.path).await;
    let seen = second.wait_sees("n1", 0).await;
    second.wait_sees("n3", 0).await;
    third.wait_sees("n1", 0).await;
    first.wait_sees("n2", 0).await;

    let drain = "/api/v1/admin/nodes/n1/drain";
    // Right after a heartbeat, so that the mark has 3 s to be seen.
    second.wait_sees("n1", seen).await;
    let answer = places[1].post(drain, &json!({})).await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["success"].clone()),
        (200, json!(true))
    );
    assert_eq!(second.sees("n1").await, None, "the mark shows at once");
    assert!(
        third.sees("n1").await.is_some(),
        "another node's list is its own"
    );
    second.wait_sees("n1", 0).await;

    let own = places[0].post(drain, &json!({})).await.unwrap();
    assert_eq!(
        (own.status, own.json()["success"].clone()),
        (200, json!(false))
    );

    let info = places[0].get("/api/v1/cluster/info").await.unwrap().json();
    assert_eq!(
        (info["id"].clone(), info["address"].clone()),
        (json!("n1"), json!(places[0].port.address()))
    );
    for place in &places {
        let cluster = place.get("/api/v1/admin/cluster").await.unwrap().json();
        assert_eq!(
            cluster["leader_id"],
            json!(place.id),
            "each node calls itself the leader"
        );
        assert_eq!(cluster["node_count"], 3);
    }
    for node in [first, second, third] {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_restarted_node_is_seen_again_with_a_newer_last_seen_and_a_dead_one_goes_offline() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let places = Place::cluster(root.path(), 2);
    let first = places[0].start_healthy(&release.path).await;
    let second = places[1].start_healthy(&release.path).await;
    let before = first.wait_sees("n2", 0).await;
    second.stop().await;
    wait_until(PATIENCE, "n1 lists n2 as offline", || async {
        first.sees("n2").await.is_none()
    })
    .await;
    let second = places[1].start_healthy(&release.path).await;
    assert!(first.wait_sees("n2", before).await > before);
    second.stop().await;
    first.stop().await;
}

#[tokio::test]
async fn with_a_user_every_route_but_health_needs_a_token() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let mut place = Place::new(root.path(), "n1");
    place
        .environment
        .push(("REFERENCE_USERNAME", "admin".to_owned()));
    place
        .environment
        .push(("REFERENCE_PASSWORD", "twelve letters".to_owned()));
    let node = place.start_healthy(&release.path).await;
    assert_eq!(
        place.get("/api/v1/cluster/peers").await.unwrap().status,
        401
    );
    assert!(!place.put("key", "value").await);

    let login = |password: &str| json!({ "username": "admin", "password": password });
    assert_eq!(
        place
            .post("/api/v1/auth/login", &login("wrong"))
            .await
            .unwrap()
            .status,
        401
    );
    let answer = place
        .post("/api/v1/auth/login", &login("twelve letters"))
        .await
        .unwrap();
    let bearer = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let path = "/api/v1/cluster/peers";
    let headers = [("authorization", bearer.as_str())];
    let answer = http::request_with("GET", &place.port.address(), path, None, &headers)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn a_backup_is_on_disk() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let place = Place::new(root.path(), "n1");
    let node = place.start_healthy(&release.path).await;
    assert!(place.put("key", "value in the backup").await);
    let answer = place
        .post("/api/v1/admin/backup", &json!({}))
        .await
        .unwrap()
        .json();
    assert_eq!(answer["success"], true);
    let file = place
        .data_dir
        .join("backups")
        .join(answer["backup"]["id"].as_str().unwrap())
        .join("data.log");
    assert!(String::from_utf8_lossy(&fs::read(file).unwrap()).contains("value in the backup"));
    node.stop().await;
}

#[tokio::test]
async fn a_closed_log_pipe_stops_no_write() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let place = Place::new(root.path(), "n1");
    let (reader, writer) = std::io::pipe().unwrap();
    let node = place.start_with(
        &release.path,
        Stdio::from(writer.try_clone().unwrap()),
        Stdio::from(writer),
    );
    place.wait_healthy().await;
    drop(reader);
    assert!(place.put("key", "value").await);
    node.stop().await;
    let node = place.start_healthy(&release.path).await;
    assert_eq!(place.read("key").await.as_deref(), Some("value"));
    node.stop().await;
}

#[tokio::test]
async fn neither_port_nor_data_directory_is_shared() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let place = Place::new(root.path(), "n1");
    let node = place.start_healthy(&release.path).await;

    let mut same_port = place.start(&release.path);
    assert_eq!(same_port.exit(PATIENCE).await, Some(Ok(1)));
    assert!(
        place.log_text().contains("cannot listen on"),
        "{}",
        place.log_text()
    );

    let mut same_data = Place::new(root.path(), "n2");
    same_data.data_dir = place.data_dir.clone();
    let mut second = same_data.start(&release.path);
    assert_eq!(second.exit(PATIENCE).await, Some(Ok(1)));
    assert!(
        same_data.log_text().contains("in use by another process"),
        "{}",
        same_data.log_text()
    );

    assert!(place.put("key", "value").await, "the first one goes on");
    node.stop().await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished_at_a_stop() {
    let root = TempDir::new().unwrap();
    let release = Recipe::faulty("1.0.0", "slow-health=700").mint(&root.path().join("slow"));
    let place = Place::new(root.path(), "n1");
    let mut node = place.start_healthy(&release.path).await;
    let address = place.port.address();
    let asked = tokio::spawn(async move { http::request("GET", &address, "/health", None).await });
    let log = place.log.clone();
    // The request is on its way well before it is half answered; the signal comes in between.
    wait_until(PATIENCE, "the request has a connection", || async {
        place.connections() > 0
    })
    .await;
    node.signal(Signal::TERM);
    let answer = asked.await.unwrap();
    assert_eq!(answer.expect("the answer comes all the same").status, 200);
    assert_eq!(node.exit(Duration::from_secs(5)).await, Some(Ok(0)));
    assert!(fs::read_to_string(log).unwrap().contains("saved, bye"));
}

#[tokio::test]
async fn interrupt_stops_it_too() {
    let root = TempDir::new().unwrap();
    let release = sound(&root);
    let place = Place::new(root.path(), "n1");
    let mut node = place.start_healthy(&release.path).await;
    node.signal(Signal::INT);
    assert_eq!(node.exit(PATIENCE).await, Some(Ok(0)));
}

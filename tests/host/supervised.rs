//! A database under its resident parent: it outlives the daemon, comes back after a crash, stops once.

use std::fs;
use std::time::Duration;

use aegis_updates::agent::binary::{
    Applied, Running as Source, apply_binary, backup_current_binary, prepare,
};
use aegis_updates::agent::process::Error;
use aegis_updates::agent::process::proc;
use aegis_updates::agent::resident::{Desired, write_allowed};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::failure::Class;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::support::node::{PATIENCE, Place};
use crate::support::release::Recipe;
use crate::support::wait::wait_until;
use crate::world::{Host, kill};

#[tokio::test]
async fn the_database_outlives_the_daemon_and_takes_writes_without_it() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let mut daemon = host.start_as_daemon().await;
    host.place.wait_healthy().await;
    let before = host.running().await;
    let resident = host.status().await.resident_pid;
    assert_eq!(
        proc::session(resident),
        Some(resident),
        "a session of its own"
    );
    assert_eq!(proc::session(before.life.pid), Some(before.life.pid));
    let mut writes = 0;
    for _ in 0..3 {
        daemon.kill().await.unwrap();
        for _ in 0..20 {
            assert!(host.place.put(&format!("key-{writes}"), "value").await);
            writes += 1;
        }
        daemon = host.start_as_daemon().await;
        assert_eq!(host.running().await, before);
        assert_eq!(
            host.status().await.resident_pid,
            resident,
            "found again, not started again"
        );
    }
    for number in 0..writes {
        let read = host.place.read(&format!("key-{number}")).await;
        assert_eq!(read.as_deref(), Some("value"));
    }
    assert_eq!(host.status().await.restarts, 0);
}

#[tokio::test]
async fn it_gets_a_clean_environment_files_for_its_output_and_no_terminal() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let running = host.up().await;
    let path = format!("/proc/{}/environ", running.life.pid);
    let environment = fs::read_to_string(path).unwrap();
    let mut names: Vec<_> = environment.split_terminator('\0').collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["REFERENCE_HEARTBEAT_MS=100", "REFERENCE_JOIN_MS=50"]
    );
    for (descriptor, target) in [
        (0, "/dev/null".into()),
        (1, host.settings.log.clone()),
        (2, host.settings.log.clone()),
    ] {
        let link = format!("/proc/{}/fd/{descriptor}", running.life.pid);
        assert_eq!(fs::read_link(link).unwrap(), target);
    }
    assert!(!fs::read_to_string(&host.settings.log).unwrap().is_empty());
}

#[tokio::test]
async fn a_crash_is_followed_by_a_start_and_its_status_is_kept() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let first = host.up().await;
    let killed = Instant::now();
    kill(first.life.pid);
    let status = host
        .wait_status("it runs again", |status| {
            status.database.is_some_and(|life| life != first.life)
        })
        .await;
    assert!(
        Instant::now() - killed >= Duration::from_millis(500),
        "the first backoff"
    );
    let exit = status.last_exit.unwrap();
    assert_eq!(
        (exit.life, exit.signal, exit.code),
        (first.life, Some(9), None)
    );
    assert_eq!(
        (status.restarts, status.crash_loop, exit.asked),
        (1, false, false)
    );
    host.place.wait_healthy().await;
}

#[tokio::test]
async fn a_stop_is_one_sigterm_and_nothing_starts_until_told() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let first = host.up().await;
    assert!(host.place.put("key", "value").await);
    host.supervised.stop(PATIENCE).await.unwrap();
    host.supervised.stop(PATIENCE).await.unwrap();
    assert_eq!(host.supervised.database().await.unwrap(), None);
    let status = host.status().await;
    let exit = status.last_exit.clone().unwrap();
    assert_eq!((exit.code, exit.asked), (Some(0), true));
    assert_eq!((status.desired, status.restarts), (Desired::Down, 0));

    // Also a resident that was killed meanwhile leaves it down.
    kill(status.resident_pid);
    wait_until(PATIENCE, "the resident is gone", async || {
        proc::start_ticks(status.resident_pid).is_none()
    })
    .await;
    let status = host.supervised.ensure_resident().await.unwrap();
    assert_eq!((status.desired, status.database), (Desired::Down, None));

    let second = host.supervised.start(Some(host.installed())).await.unwrap();
    assert_eq!(second.digest, host.installed());
    assert_ne!(second.life, first.life);
    assert_eq!(
        host.supervised.start(None).await.unwrap(),
        second,
        "started once"
    );
    host.place.wait_healthy().await;
    assert_eq!(host.place.read("key").await.as_deref(), Some("value"));
}

#[tokio::test]
async fn a_database_that_ignores_sigterm_is_not_killed_unless_configured() {
    let mut host = Host::new(&Recipe::faulty("1.0.0", "ignore-term"));
    let running = host.up().await;
    let error = host
        .supervised
        .stop(Duration::from_millis(300))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::StillStopping { .. }), "{error}");
    assert_eq!(error.class(), Class::FlushFailed);
    let status = host.status().await;
    assert_eq!(
        (status.database, status.stopping),
        (Some(running.life), true)
    );
    assert!(host.place.is_healthy().await);

    kill(status.resident_pid);
    host.settings.kill_after_stop_timeout = true;
    host.save();
    wait_until(PATIENCE, "the resident is gone", async || {
        proc::start_ticks(status.resident_pid).is_none()
    })
    .await;
    let status = host.supervised.ensure_resident().await.unwrap();
    assert_eq!(status.database, Some(running.life), "found again");
    host.supervised
        .stop(Duration::from_millis(300))
        .await
        .unwrap_err();
    host.wait_status("it was killed", |status| status.database.is_none())
        .await;
}

#[tokio::test]
async fn a_killed_resident_loses_no_database() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let running = host.up().await;
    let resident = host.status().await.resident_pid;
    kill(resident);
    wait_until(PATIENCE, "the resident is gone", async || {
        proc::start_ticks(resident).is_none()
    })
    .await;
    assert!(
        host.place.put("key", "value").await,
        "writes need no parent"
    );
    assert_eq!(
        host.running().await,
        running,
        "the daemon knows it without the resident"
    );
    host.supervised.ensure_resident().await.unwrap();
    assert_eq!(host.running().await, running);

    // Even without the record it is known, by executable and arguments.
    kill(host.status().await.resident_pid);
    fs::remove_file(host.settings.data_dir.join("database.json")).unwrap();
    wait_until(PATIENCE, "the second resident is gone", async || {
        host.supervised.status().await.is_err()
    })
    .await;
    assert_eq!(host.running().await, running);
    host.supervised.ensure_resident().await.unwrap();
    assert_eq!(host.running().await, running);
    assert_eq!(host.status().await.restarts, 0);
}

#[tokio::test]
async fn a_found_database_that_dies_is_started_again() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let running = host.up().await;
    let resident = host.status().await.resident_pid;
    kill(resident);
    wait_until(PATIENCE, "the resident is gone", async || {
        proc::start_ticks(resident).is_none()
    })
    .await;
    host.supervised.ensure_resident().await.unwrap();
    kill(running.life.pid);
    let status = host
        .wait_status("it runs again", |status| {
            status.database.is_some_and(|life| life != running.life)
        })
        .await;
    let exit = status.last_exit.unwrap();
    assert_eq!(
        (exit.life, exit.code, exit.signal),
        (running.life, None, None)
    );
}

#[tokio::test]
async fn a_swap_under_a_running_database_takes_effect_with_stop_and_start_only() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let old = host.up().await;
    let release = host.mint(&Recipe::sound("1.1.0"), "release");
    let digest: Digest = release.sha256.parse().unwrap();
    let install_path = &host.settings.install_path;
    let backups = host.root.path().to_owned();
    let kept = backup_current_binary(Source::Process(old.life.pid), &backups)
        .await
        .unwrap();
    assert_eq!(kept.digest, old.digest);
    let ready = prepare(&release.path, install_path, &digest).await.unwrap();
    assert_eq!(apply_binary(&ready).await.unwrap(), Applied::Renamed);
    assert_eq!(
        host.running().await,
        old,
        "the old process runs the old file"
    );
    assert!(host.place.is_healthy().await);

    host.supervised.stop(PATIENCE).await.unwrap();
    let wrong = host.supervised.start(Some(old.digest)).await.unwrap_err();
    assert!(matches!(wrong, Error::NotAllowed { .. }), "{wrong}");
    let new = host.supervised.start(Some(digest)).await.unwrap();
    assert_eq!(new.digest, digest);
    host.place.wait_healthy().await;
    assert_eq!(
        host.place.health().await.unwrap().json()["version"],
        "1.1.0"
    );

    let back = prepare(&kept.path, install_path, &kept.digest)
        .await
        .unwrap();
    apply_binary(&back).await.unwrap();
    host.supervised.stop(PATIENCE).await.unwrap();
    let restored = host.supervised.start(Some(kept.digest)).await.unwrap();
    assert_eq!(restored.digest, old.digest);
}

#[tokio::test]
async fn only_an_allowed_binary_is_started_without_the_daemon() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    write_allowed(&host.settings.data_dir, &[Digest::of(b"another release")]).unwrap();
    let status = host.supervised.ensure_resident().await.unwrap();
    assert_eq!(status.database, None);
    let status = host
        .wait_status("it says why", |status| status.problem.is_some())
        .await;
    assert!(
        status
            .problem
            .unwrap()
            .contains(&host.installed().to_string())
    );
    assert_eq!(host.supervised.database().await.unwrap(), None);
    write_allowed(&host.settings.data_dir, &[host.installed()]).unwrap();
    host.wait_status("it looks again by itself", |status| {
        status.database.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_crash_loop_raises_the_alarm_and_goes_on() {
    let host = Host::new(&Recipe::faulty("1.0.0", "crash-at-start"));
    host.supervised.ensure_resident().await.unwrap();
    let status = host
        .wait_status("the alarm", |status| status.crash_loop)
        .await;
    assert_eq!(status.desired, Desired::Up);
    assert!(status.restarts >= 4, "{status:?}");
    assert!(!status.last_exit.unwrap().asked);
}

#[tokio::test]
async fn somebody_elses_database_on_the_port_is_named_and_never_duplicated() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let foreign = host.mint(&Recipe::sound("0.9.0"), "foreign");
    let elsewhere = Place::new(host.root.path(), "foreign-node");
    let mut arguments = elsewhere.arguments();
    arguments[1] = host.place.port.number.to_string();
    let mut stranger = tokio::process::Command::new(&foreign.path)
        .args(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    host.place.wait_healthy().await;
    for refused in [
        host.supervised.ensure_resident().await.map(drop),
        host.supervised.check_port().await,
    ] {
        match refused.unwrap_err() {
            Error::ForeignDatabase {
                pid, executable, ..
            } => {
                assert_eq!(
                    (pid, executable),
                    (stranger.id(), Some(foreign.path.clone()))
                );
            }
            other => panic!("{other}"),
        }
    }
    assert!(
        host.supervised.status().await.is_err(),
        "no resident was started"
    );
    assert!(
        stranger.try_wait().unwrap().is_none(),
        "the stranger was not touched"
    );
}

#[tokio::test]
async fn sigterm_to_the_resident_saves_the_data_and_ends_both_hangup_does_nothing() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    let running = host.up().await;
    assert!(host.place.put("key", "value").await);
    let resident = host.status().await.resident_pid;
    let pid = rustix::process::Pid::from_raw(resident as i32).unwrap();
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    assert_eq!(host.running().await, running);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    wait_until(PATIENCE, "both are gone", async || {
        !running.life.is_running() && proc::start_ticks(resident).is_none()
    })
    .await;
    // Ended by a service manager, not by the daemon: the next resident starts the database.
    let again = host.up().await;
    assert_ne!(again.life, running.life);
    assert_eq!(host.place.read("key").await.as_deref(), Some("value"));
    host.supervised.shutdown(PATIENCE).await.unwrap();
    assert!(!again.life.is_running());
}

#[tokio::test]
async fn connections_to_the_database_are_counted_but_not_its_own() {
    let host = Host::new(&Recipe::sound("1.0.0"));
    host.up().await;
    let client = std::net::TcpStream::connect(host.place.port.address()).unwrap();
    assert_eq!(host.supervised.connections().await.unwrap(), 0);
    // Another process has it from here on.
    let mut other = std::process::Command::new("sleep")
        .arg("60")
        .stdin(std::os::fd::OwnedFd::from(client))
        .spawn()
        .unwrap();
    wait_until(PATIENCE, "the one client is counted", async || {
        host.supervised.connections().await.unwrap() == 1
    })
    .await;
    other.kill().unwrap();
    other.wait().unwrap();
    wait_until(PATIENCE, "nobody is left", async || {
        host.supervised.connections().await.unwrap() == 0
    })
    .await;
}

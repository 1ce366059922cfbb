//! A host in a directory: an installed reference node, a resident to run it, and clean-up at the end.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis_updates::agent::process::{Running, Supervised};
use aegis_updates::agent::resident::{self, Settings, Status};
use aegis_updates::base::digest::Digest;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::node::{PATIENCE, Place};
use crate::support::release::{Recipe, Release};
use crate::support::wait::wait_until;

/// Names the settings file to a copy of this test that is to be a resident.
const RESIDENT: &str = "HOST_TEST_RESIDENT";
/// Names the data directory, port and settings to a copy of this test that is to be a daemon.
const DAEMON: &str = "HOST_TEST_DAEMON";

pub struct Host {
    pub root: tempfile::TempDir,
    pub place: Place,
    pub settings: Settings,
    pub supervised: Supervised,
}

impl Host {
    /// With this release installed and nothing running.
    pub fn new(release: &Recipe) -> Self {
        let root = tempfile::tempdir().unwrap();
        let place = Place::new(root.path(), "n1");
        let data_dir = root.path().join("updater");
        fs::create_dir(&data_dir).unwrap();
        let install_path = root.path().join("database");
        release.mint(&install_path);
        let mut settings = Settings::new(data_dir, install_path, place.arguments());
        for (name, value) in &place.environment {
            settings
                .environment
                .insert((*name).to_owned(), value.clone());
        }
        let supervised = supervised(&settings, place.port.number);
        let host = Self {
            root,
            place,
            settings,
            supervised,
        };
        host.save();
        host
    }

    /// After a change of `settings`.
    pub fn save(&self) {
        let bytes = serde_json::to_vec(&self.settings).unwrap();
        fs::write(settings_path(&self.settings.data_dir), bytes).unwrap();
    }

    pub fn mint(&self, recipe: &Recipe, name: &str) -> Release {
        recipe.mint(&self.root.path().join(name))
    }

    pub async fn up(&self) -> Running {
        self.supervised.ensure_resident().await.unwrap();
        self.place.wait_healthy().await;
        self.running().await
    }

    pub async fn running(&self) -> Running {
        self.supervised
            .database()
            .await
            .unwrap()
            .expect("the database runs")
    }

    pub async fn status(&self) -> Status {
        self.supervised.status().await.unwrap()
    }

    pub async fn wait_status(&self, what: &str, right: impl Fn(&Status) -> bool) -> Status {
        wait_until(PATIENCE, what, async || {
            self.supervised
                .status()
                .await
                .is_ok_and(|status| right(&status))
        })
        .await;
        self.status().await
    }

    pub fn installed(&self) -> Digest {
        Digest::of(&fs::read(&self.settings.install_path).unwrap())
    }

    /// A process of its own that starts the resident as a daemon does, and then waits to be killed.
    pub async fn start_as_daemon(&self) -> tokio::process::Child {
        let port = self.place.port.number;
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(body_arguments("world::daemon_body"))
            .env(
                DAEMON,
                format!(
                    "{port}:{}",
                    settings_path(&self.settings.data_dir).display()
                ),
            )
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().unwrap();
        self.wait_status("the daemon's resident answers", |_| true)
            .await;
        child
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Not through the runtime, which may be gone with a failed test.
        if let Some(status) = ask_status(&self.settings.data_dir) {
            kill(status.resident_pid);
            if let Some(life) = status.database {
                kill(life.pid);
            }
        }
    }
}

pub fn kill(pid: u32) {
    let pid = Pid::from_raw(pid as i32).expect("a pid is positive");
    let _ = kill_process(pid, Signal::KILL);
}

fn ask_status(data_dir: &Path) -> Option<Status> {
    let mut stream = UnixStream::connect(data_dir.join("resident.sock")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"{\"verb\":\"status\"}\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    let reply: resident::Reply = serde_json::from_str(&line).ok()?;
    Some(reply.status)
}

fn settings_path(data_dir: &Path) -> PathBuf {
    data_dir.join("settings.json")
}

fn body_arguments(name: &str) -> [&str; 4] {
    ["--exact", name, "--ignored", "--nocapture"]
}

/// `env` gives the copy its role and becomes it, so that no process stands between.
fn supervised(settings: &Settings, port: u16) -> Supervised {
    let path = settings_path(&settings.data_dir);
    let mut command: Vec<OsString> = vec![
        "/usr/bin/env".into(),
        format!("{RESIDENT}={}", path.display()).into(),
        std::env::current_exe().unwrap().into(),
    ];
    command.extend(body_arguments("world::resident_body").map(OsString::from));
    Supervised::new(settings.clone(), port, command)
}

fn read_settings(path: &str) -> Settings {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
#[ignore = "a copy of this test runs it as the resident process"]
async fn resident_body() {
    if let Ok(path) = std::env::var(RESIDENT) {
        resident::run(read_settings(&path)).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "a copy of this test runs it as a daemon that will be killed"]
async fn daemon_body() {
    let Ok(role) = std::env::var(DAEMON) else {
        return;
    };
    let (port, path) = role.split_once(':').unwrap();
    let supervised = supervised(&read_settings(path), port.parse().unwrap());
    supervised.ensure_resident().await.unwrap();
    std::future::pending::<()>().await;
}

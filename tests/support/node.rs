//! Reference nodes as processes of a test: started, asked, signalled, and gone when the test ends.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::http::{self, Answer};
use super::ports::{self, Port};
use super::wait::{wait_for, wait_until};

/// Generous: the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where a node lives and what it is called; outlives its process.
#[derive(Debug)]
pub struct Place {
    pub id: String,
    pub port: Port,
    pub data_dir: PathBuf,
    pub log: PathBuf,
    pub peers: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
}

impl Place {
    /// A node `id` with its data and log below `root`; peers meet within tenths of a second.
    pub fn new(root: &Path, id: &str) -> Self {
        let directory = root.join(id);
        fs::create_dir_all(&directory).expect("the node's directory can be created");
        Self {
            id: id.to_owned(),
            port: ports::lease(),
            data_dir: directory.join("data"),
            log: directory.join("log"),
            peers: Vec::new(),
            environment: vec![
                ("REFERENCE_JOIN_MS", "50".to_owned()),
                ("REFERENCE_HEARTBEAT_MS", "100".to_owned()),
            ],
        }
    }

    /// Nodes `n1` … that know one another.
    pub fn cluster(root: &Path, count: usize) -> Vec<Self> {
        let mut places: Vec<Self> = (1..=count)
            .map(|number| Self::new(root, &format!("n{number}")))
            .collect();
        let addresses: Vec<String> = places.iter().map(|place| place.port.address()).collect();
        for place in &mut places {
            let own = place.port.address();
            place.peers = addresses
                .iter()
                .filter(|address| **address != own)
                .cloned()
                .collect();
        }
        places
    }

    /// The command line that runs `executable` here.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--port".to_owned(),
            self.port.number.to_string(),
            "--data-dir".to_owned(),
            self.data_dir.display().to_string(),
            "--node-id".to_owned(),
            self.id.clone(),
        ];
        if !self.peers.is_empty() {
            arguments.extend(["--peers".to_owned(), self.peers.join(",")]);
        }
        arguments
    }

    /// Starts `executable` here, with the log file as its output, and does not wait.
    pub fn start(&self, executable: &Path) -> Node<'_> {
        let open = || -> File {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.log)
                .expect("the log can be opened")
        };
        self.start_with(executable, Stdio::from(open()), Stdio::from(open()))
    }

    pub fn start_with(&self, executable: &Path, stdout: Stdio, stderr: Stdio) -> Node<'_> {
        let child = Command::new(executable)
            .args(self.arguments())
            .envs(
                self.environment
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", executable.display()));
        Node { place: self, child }
    }

    /// Starts and waits for the first healthy answer.
    pub async fn start_healthy(&self, executable: &Path) -> Node<'_> {
        let node = self.start(executable);
        node.place.wait_healthy().await;
        node
    }

    pub async fn wait_healthy(&self) {
        wait_until(
            PATIENCE,
            &format!("{} is healthy; its log: {}", self.id, self.log.display()),
            || self.is_healthy(),
        )
        .await;
    }

    pub async fn is_healthy(&self) -> bool {
        self.health()
            .await
            .is_some_and(|answer| answer.status == 200 && answer.json()["status"] == "healthy")
    }

    /// `None`: nobody answers.
    pub async fn health(&self) -> Option<Answer> {
        self.get("/health").await
    }

    pub async fn get(&self, path: &str) -> Option<Answer> {
        http::request("GET", &self.port.address(), path, None)
            .await
            .ok()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Option<Answer> {
        http::request("POST", &self.port.address(), path, Some(body))
            .await
            .ok()
    }

    /// True when the database acknowledged the write.
    pub async fn put(&self, key: &str, value: &str) -> bool {
        let body = json!({ "key": key, "value": value });
        self.post("/api/v1/kv/keys", &body)
            .await
            .is_some_and(|answer| answer.status == 200)
    }

    /// The value of a key; `None` when there is none or nobody answers.
    pub async fn read(&self, key: &str) -> Option<String> {
        let answer = self.get(&format!("/api/v1/kv/keys/{key}")).await?;
        (answer.status == 200).then(|| answer.json()["value"].as_str().map(str::to_owned))?
    }

    /// Makes the running node sick or well.
    pub async fn set_fault(&self, fault: &str) {
        let answer = self
            .post("/fault", &json!({ "fault": fault }))
            .await
            .expect("the node answers");
        assert_eq!(
            answer.status,
            200,
            "the fault {fault} was refused: {}",
            answer.text()
        );
    }

    /// Established connections to the node's port, as the kernel lists them.
    pub fn connections(&self) -> usize {
        let table = fs::read_to_string("/proc/net/tcp").expect("the connection table can be read");
        let local = format!("0100007F:{:04X}", self.port.number);
        table
            .lines()
            .filter(|line| {
                // Number, local address, remote address, state; 01 is established.
                let fields: Vec<&str> = line.split_whitespace().take(4).collect();
                matches!(fields[..], [_, here, _, "01"] if here == local)
            })
            .count()
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A running process at its place; killed on drop.
#[derive(Debug)]
pub struct Node<'a> {
    pub place: &'a Place,
    child: Child,
}

impl Node<'_> {
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id as i32))
            .expect("the node has not been waited for");
        kill_process(pid, signal).expect("the node can be signalled");
    }

    /// True while the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the node can be waited for")
            .is_none()
    }

    /// The exit status, when the process ends within `limit`: `Ok(code)` or `Err(signal)`.
    pub async fn exit(&mut self, limit: Duration) -> Option<Result<i32, i32>> {
        use std::os::unix::process::ExitStatusExt;
        let status = tokio::time::timeout(limit, self.child.wait())
            .await
            .ok()?
            .expect("the node can be waited for");
        Some(
            status
                .code()
                .ok_or_else(|| status.signal().unwrap_or_default()),
        )
    }

    /// Stops it as a supervisor does and waits for a clean exit.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(
            self.exit(PATIENCE).await,
            Some(Ok(0)),
            "{} must save and exit with 0",
            self.place.id
        );
    }

    /// Kills it and waits for its end.
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.exit(PATIENCE).await, Some(Err(9)));
    }

    /// The `last_seen` with which this node lists `peer`, when it lists it `Online`.
    pub async fn sees(&self, peer: &str) -> Option<u64> {
        let answer = self.place.get("/api/v1/cluster/peers").await?.json();
        let found = answer
            .as_array()?
            .iter()
            .find(|row| row["id"] == peer && row["status"] == "Online")?;
        found["last_seen"].as_u64()
    }

    pub async fn wait_sees(&self, peer: &str, newer_than: u64) -> u64 {
        let what = format!("{} sees {peer} online after {newer_than}", self.place.id);
        wait_for(PATIENCE, &what, async || {
            self.sees(peer).await.filter(|seen| *seen > newer_than)
        })
        .await
    }
}

//! HAProxy as the balancer, where the machine has it: its file, its process, and what it says of its servers
//! on its own socket. It learns who is ready from each daemon's agent-check port and from nobody else here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::balancer::{BACKEND_HEADER, Event, What};
use super::clock::Clock;
use super::cluster::Cluster;
use super::error::Error;
use super::front::Front;
use super::ports::Port;
use crate::base::duration::Millis;

const LOOK_EVERY: Duration = Duration::from_millis(150);

/// A running HAProxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Haproxy {
    port: Port,
    seen: Arc<Mutex<Seen>>,
    watch: JoinHandle<()>,
    /// Killed when it is dropped.
    _process: Child,
}

#[derive(Debug, Default)]
struct Seen {
    in_rotation: BTreeMap<String, bool>,
    events: Vec<Event>,
}

impl Haproxy {
    pub fn is_here() -> bool {
        let mut command = std::process::Command::new("haproxy");
        let asked = command
            .arg("-v")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        asked.status().is_ok_and(|status| status.success())
    }

    /// Each daemon is asked every `agent_every` whether its database may have clients.
    pub fn start(cluster: &Cluster, agent_every: Millis) -> Result<Self, Error> {
        let port = Port::lease().map_err(Error::at("find a port for", "HAProxy"))?;
        let file = cluster.directory().join("haproxy.cfg");
        let socket = cluster.directory().join("haproxy.sock");
        let text = configuration(cluster, &port, &socket, agent_every);
        fs::write(&file, text).map_err(Error::at("write", file.display()))?;
        let log_path = cluster.directory().join("haproxy.log");
        let log = File::create(&log_path).map_err(Error::at("write", log_path.display()))?;
        let process = Command::new("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::at("start", "haproxy"))?;
        let seen = Arc::default();
        let watch = tokio::spawn(watch(socket, cluster.tools.clock, Arc::clone(&seen)));
        Ok(Self {
            port,
            seen,
            watch,
            _process: process,
        })
    }
}

impl Front for Haproxy {
    fn address(&self) -> SocketAddr {
        self.port.socket()
    }

    fn in_rotation(&self) -> Vec<String> {
        let seen = lock(&self.seen);
        let names = seen.in_rotation.iter().filter(|(_, is_in)| **is_in);
        names.map(|(name, _)| name.clone()).collect()
    }

    fn events(&self) -> Vec<Event> {
        lock(&self.seen).events.clone()
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Nothing that hides a failure: no retries, no second server for a request. Health is looked at by
/// HAProxy's defaults (2 s, 3 falls, 2 rises). A connection to a server serves one request: a drain
/// also waits for connections to end, and open ones that idle would stand in for `drain_grace`.
fn configuration(cluster: &Cluster, port: &Port, socket: &Path, agent_every: Millis) -> String {
    let mut text = format!(
        "global\n    stats socket {} mode 600 level user\n\
         defaults\n    mode http\n    timeout connect 2s\n    timeout client 30s\n    timeout server 10s\n    \
         retries 0\n    no option redispatch\n\
         frontend clients\n    bind {}\n    default_backend databases\n\
         backend databases\n    balance roundrobin\n    option httpchk GET /health\n    \
         http-response set-header {BACKEND_HEADER} %s\n    option http-server-close\n",
        socket.display(),
        port.address(),
    );
    for host in &cluster.hosts {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "    server {} {} check agent-check agent-inter {}ms agent-port {}",
            host.name,
            host.ports.database.address(),
            agent_every.0,
            host.ports.agent_check.number
        );
    }
    text
}

/// Notes every change of a server's state until it is aborted.
async fn watch(socket: PathBuf, clock: Clock, seen: Arc<Mutex<Seen>>) {
    let mut laps = tokio::time::interval(LOOK_EVERY);
    laps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        laps.tick().await;
        // Its socket is not there at once; a look that fails changes nothing.
        let Ok(table) = statistics(&socket).await else {
            continue;
        };
        let mut seen = lock(&seen);
        for (server, status) in servers(&table) {
            let is_in = status.starts_with("UP");
            if seen.in_rotation.insert(server.to_owned(), is_in) == Some(is_in) {
                continue;
            }
            let what = match status {
                _ if is_in => What::Joined {
                    why: "HAProxy has it UP",
                },
                _ if status.starts_with("DRAIN") => What::Left {
                    why: "HAProxy has it in DRAIN",
                },
                _ => What::Left {
                    why: "HAProxy has it DOWN",
                },
            };
            seen.events.push(Event {
                at_ms: clock.now_ms(),
                backend: server.to_owned(),
                what,
            });
        }
    }
}

async fn statistics(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"show stat\n").await?;
    let mut table = String::new();
    stream.read_to_string(&mut table).await?;
    Ok(table)
}

/// Name and status of each server; the first line names the columns (HAProxy management guide, 9.1).
fn servers(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    let status_at = header.split(',').position(|column| column == "status");
    lines.filter_map(move |line| {
        let mut columns = line.split(',');
        let (proxy, server) = (columns.next()?, columns.next()?);
        // Two columns are gone already.
        let status = columns.nth(status_at?.checked_sub(2)?)?;
        let is_server = proxy == "databases" && server != "BACKEND";
        is_server.then_some((server, status))
    })
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

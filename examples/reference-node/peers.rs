//! What this node knows of the other nodes, and the heartbeats that keep it fresh.
//! It copies the real database's ways, its oddities included: a peer's version is filled in by the
//! receiver with its own, and a drain mark lasts only until the peer's next heartbeat.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::call;
use crate::say::say;
use crate::unix_ms;

const JOIN_LIMIT: Duration = Duration::from_secs(5);
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Online,
    Offline,
}

/// One node as `/cluster/info` and `/cluster/peers` show it.
#[derive(Debug, Clone, Serialize)]
pub struct Peer {
    pub id: String,
    pub name: Option<String>,
    pub address: String,
    pub status: Status,
    pub role: &'static str,
    /// Unix milliseconds on the clock of the node that answers.
    pub last_seen: u64,
    pub version: String,
    pub uptime_seconds: u64,
    pub metrics: Option<Value>,
}

/// What a node says of itself when it joins or beats.
#[derive(Debug, Deserialize)]
pub struct Greeting {
    pub node_id: String,
    pub node_name: Option<String>,
    pub address: String,
    #[serde(default)]
    pub uptime_seconds: u64,
    #[serde(default)]
    pub metrics: Option<Value>,
}

/// This node's own words.
#[derive(Debug, Clone)]
pub struct Own {
    pub id: String,
    pub name: Option<String>,
    pub address: String,
    pub version: String,
    pub started: Instant,
}

/// When a node first joins its peers, and how often it beats.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    pub join_after: Duration,
    pub beat_every: Duration,
}

pub struct Peers {
    pub own: Own,
    /// Addresses to join: the configured ones and those of nodes that joined here.
    addresses: Mutex<Vec<String>>,
    known: Mutex<Vec<Peer>>,
}

impl Peers {
    pub fn new(own: Own, addresses: Vec<String>) -> Self {
        let addresses = addresses
            .into_iter()
            .filter(|address| *address != own.address)
            .collect();
        Self {
            own,
            addresses: Mutex::new(addresses),
            known: Mutex::default(),
        }
    }

    pub fn list(&self) -> Vec<Peer> {
        self.known().clone()
    }

    /// This node in the same shape; it calls itself the leader, as the real database does.
    pub fn own_info(&self, metrics: Value) -> Peer {
        Peer {
            id: self.own.id.clone(),
            name: self.own.name.clone(),
            address: self.own.address.clone(),
            status: Status::Online,
            role: "Leader",
            last_seen: unix_ms(),
            version: self.own.version.clone(),
            uptime_seconds: self.own.started.elapsed().as_secs(),
            metrics: Some(metrics),
        }
    }

    /// A join or a heartbeat was received.
    pub fn heard(&self, greeting: Greeting) {
        let peer = Peer {
            id: greeting.node_id,
            name: greeting.node_name,
            address: greeting.address,
            status: Status::Online,
            role: "Follower",
            last_seen: unix_ms(),
            version: self.own.version.clone(),
            uptime_seconds: greeting.uptime_seconds,
            metrics: greeting.metrics,
        };
        {
            let mut addresses = self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if peer.address != self.own.address && !addresses.contains(&peer.address) {
                addresses.push(peer.address.clone());
            }
        }
        let mut known = self.known();
        match known
            .iter_mut()
            .find(|old| old.id == peer.id || old.address == peer.address)
        {
            Some(old) => *old = peer,
            None => known.push(peer),
        }
    }

    /// Marks a peer, named by id or name, until its next heartbeat. False: no such peer.
    pub fn drain(&self, node: &str) -> bool {
        let mut known = self.known();
        let found = known
            .iter_mut()
            .find(|peer| peer.id == node || peer.name.as_deref() == Some(node));
        found.map(|peer| peer.status = Status::Offline).is_some()
    }

    fn known(&self) -> MutexGuard<'_, Vec<Peer>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn greeting(&self) -> Value {
        json!({
            "node_id": self.own.id,
            "node_name": self.own.name,
            "address": self.own.address,
            "uptime_seconds": self.own.started.elapsed().as_secs(),
        })
    }

    /// Joins the node at `address` and learns the nodes that it knows.
    async fn join(&self, address: &str) {
        let answer = match call::post(
            address,
            "/api/v1/cluster/join",
            &self.greeting(),
            JOIN_LIMIT,
        )
        .await
        {
            Ok(answer) => answer,
            Err(what) => return say(&format!("cannot join the peer at {address}: {what}")),
        };
        let Some(peers) = answer.get("peers").and_then(Value::as_array) else {
            return say(&format!(
                "the peer at {address} answered the join without a list of peers"
            ));
        };
        for peer in peers {
            let text = |field: &str| peer.get(field).and_then(Value::as_str).map(str::to_owned);
            if let (Some(node_id), Some(address)) = (text("id"), text("address"))
                && address != self.own.address
            {
                let greeting = Greeting {
                    node_id,
                    node_name: text("name"),
                    address,
                    uptime_seconds: 0,
                    metrics: None,
                };
                self.heard(greeting);
            }
        }
    }

    async fn beat(self: &Arc<Self>) {
        let mut tasks = tokio::task::JoinSet::new();
        for peer in self.list() {
            let peers = Arc::clone(self);
            // All at once: a peer that hangs must not delay the beat to the others.
            tasks.spawn(async move {
                let greeting = peers.greeting();
                if let Err(what) = call::post(
                    &peer.address,
                    "/api/v1/cluster/heartbeat",
                    &greeting,
                    HEARTBEAT_LIMIT,
                )
                .await
                    && peers.drain(&peer.id)
                {
                    say(&format!(
                        "heartbeat to {} at {} failed: {what}",
                        peer.id, peer.address
                    ));
                }
            });
        }
        tasks.join_all().await;
        let addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for address in addresses {
            if !self.known().iter().any(|peer| peer.address == address) {
                self.join(&address).await;
            }
        }
    }
}

/// Runs until the process ends.
pub async fn run(peers: Arc<Peers>, rhythm: Rhythm) {
    tokio::time::sleep(rhythm.join_after).await;
    let addresses = peers
        .addresses
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for address in addresses {
        peers.join(&address).await;
    }
    let mut beats = tokio::time::interval(rhythm.beat_every);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        peers.beat().await;
    }
}

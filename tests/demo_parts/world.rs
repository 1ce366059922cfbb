//! Three databases, the readiness endpoints of three daemons that are not there, and the demo's parts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use aegis_updates::demo::backend::Address;
use aegis_updates::demo::balancer::Balancer;
use aegis_updates::demo::clock::Clock;
use aegis_updates::demo::load::{self, Load, Log, Outcome};
use aegis_updates::demo::observer::{Database, Observer};
use aegis_updates::demo::passes::StepFact;
use axum::http::StatusCode;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::node::{Node, PATIENCE, Place};
use crate::support::release::{Recipe, Release};
use crate::support::wait::wait_until;

/// The readiness endpoint of a daemon, and its death.
pub struct Probe {
    pub address: String,
    pub status: Arc<AtomicU16>,
    pub server: JoinHandle<()>,
}

impl Probe {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let status = Arc::new(AtomicU16::new(200));
        let shared = Arc::clone(&status);
        let ready =
            move || async move { StatusCode::from_u16(shared.load(Ordering::Relaxed)).unwrap() };
        let router = axum::Router::new().route("/ready", axum::routing::get(ready));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            status,
            server,
        }
    }

    pub fn say(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub struct World {
    pub old: Release,
    pub new: Release,
    pub places: Vec<Place>,
    pub clock: Clock,
    pub root: TempDir,
}

impl World {
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        let old = Recipe::sound("1.0.0").mint(&root.path().join("old"));
        let new = Recipe::sound("1.1.0").mint(&root.path().join("new"));
        let places = Place::cluster(root.path(), 3);
        Self {
            old,
            new,
            places,
            clock: Clock::start(),
            root,
        }
    }

    pub async fn start_all(&self) -> Vec<Node<'_>> {
        let mut nodes = Vec::new();
        for place in &self.places {
            nodes.push(place.start_healthy(&self.old.path).await);
        }
        nodes
    }

    pub async fn balancer(&self, probes: &[Probe]) -> Balancer {
        let addresses = self
            .places
            .iter()
            .zip(probes)
            .map(|(place, probe)| Address {
                name: place.id.clone(),
                database: place.port.address(),
                probe: probe.address.clone(),
            });
        let any = "127.0.0.1:0".parse().unwrap();
        Balancer::start(any, addresses.collect(), self.clock)
            .await
            .unwrap()
    }

    pub fn observer(&self) -> Observer {
        let databases = self.places.iter().map(|place| Database {
            name: place.id.clone(),
            data_dir: place.data_dir.clone(),
            address: place.port.address(),
        });
        Observer::start(databases.collect(), self.clock).unwrap()
    }

    pub fn addresses(&self) -> BTreeMap<String, String> {
        self.places
            .iter()
            .map(|place| (place.id.clone(), place.port.address()))
            .collect()
    }

    pub fn fact(&self, node: &str, step: &str) -> StepFact {
        let (at_ms, node, step) = (self.clock.now_ms(), node.to_owned(), step.to_owned());
        StepFact {
            at_ms,
            node,
            step,
            term: 1,
            leader: false,
        }
    }
}

pub async fn three_probes() -> Vec<Probe> {
    vec![
        Probe::start().await,
        Probe::start().await,
        Probe::start().await,
    ]
}

pub fn failures(log: &Log) -> Vec<String> {
    log.sent
        .iter()
        .filter(|sent| matches!(sent.outcome, Outcome::Failed { .. }))
        .map(ToString::to_string)
        .collect()
}

pub fn load_plan(balancer: &Balancer) -> load::Plan {
    let prefix = "key".to_owned();
    load::Plan {
        balancer: balancer.address(),
        connections: 8,
        rate_per_s: 250,
        write_every: load::WRITE_EVERY,
        prefix,
    }
}

/// The load until it has sent `count` requests.
pub async fn load_for(balancer: &Balancer, clock: Clock, count: usize) -> Log {
    let load = Load::start(&load_plan(balancer), clock);
    wait_until(PATIENCE, "the load sent enough", || async {
        load.sent() >= count
    })
    .await;
    load.finish().await
}

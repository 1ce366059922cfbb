//! Starting a member: settings are checked, the state restored, the core and the listener set going.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};
use tokio::sync::watch;

use super::error::{InitError, StartError};
use super::monitor::{self, Monitor};
use super::settings::{Peers, Settings, Timing};
use super::{Member, Running};
use crate::application::{Application, Node};
use crate::network::{Doors, Ends, Heard, Network, Routes, serve};
use crate::store::Store;
use crate::types::Raft;

/// An image travels in chunks, each within three quarters of this, and is installed within as much.
const IMAGE_TIMEOUT_MS: u64 = 40_000;
/// Entries in one replication request; bytes are bounded by the log reader.
const REPLICATED_ENTRIES_MAX: u64 = 512;
/// Delays between attempts to reach a member that does not answer: short at first, because a restarted
/// member is back within a second.
const BACKOFF: &str = "50ms 100ms 200ms ...1s";

impl Member {
    /// Starts the member on an opened store. Its id and cluster are the store's identity.
    pub async fn start(
        settings: Settings,
        store: Store,
        application: impl Application,
        peers: Peers,
    ) -> Result<Self, StartError> {
        let identity = store.identity().clone();
        let Peers {
            listener,
            credentials,
            handler,
            joining,
            anonymous_join,
            addresses,
            faults,
        } = peers;
        let config = config(&identity.cluster, &settings)?;
        let ends = Ends::new(
            &identity.cluster,
            identity.member,
            &credentials,
            anonymous_join,
            addresses,
            faults,
            store.disk.clock(),
        )
        .map_err(|error| StartError::Credentials(error.to_string()))?;
        let raft = core(config, &ends.network, &store, application).await?;

        let timing = settings.timing;
        let lease = Duration::from_millis(timing.election_max_ms);
        ends.network
            .follow(&raft, lease, Duration::from_millis(silence_ms(timing)));

        let (stop, stopped) = watch::channel(false);
        let heard = Heard::default();
        let routes = Routes::new(raft.clone(), &store, heard.clone());
        let doors = Arc::new(Doors::new(&identity.cluster, routes, handler, joining));
        let serving = tokio::spawn(serve(listener, ends.acceptor, doors, stopped.clone()));
        let monitor = Monitor {
            raft: raft.clone(),
            disk: store.disk.clone(),
            network: ends.network.clone(),
            images: settings.images,
        };
        let (monitoring, progress) = monitor::spawn(monitor, stopped);
        Ok(Self(Arc::new(Running {
            id: identity.member,
            raft,
            network: ends.network,
            timing: settings.timing,
            progress,
            applied: store.disk.applied(),
            heard,
            changing: tokio::sync::Mutex::new(()),
            stop,
            tasks: Mutex::new(vec![serving, monitoring]),
            disk: Mutex::new(Some(store.disk)),
        })))
    }

    /// Forms a cluster of this one voter. Refused when the store already holds a log.
    pub async fn init(&self, node: Node) -> Result<(), InitError> {
        let voters = BTreeMap::from([(self.0.id, node)]);
        let formed = self.0.raft.initialize(voters).await;
        formed.map_err(|error| match error.into_api_error() {
            Some(_) => InitError::AlreadyFormed,
            None => InitError::Fatal("the core has stopped".to_owned()),
        })
    }
}

/// Restores the state and sets openraft's core going on it.
async fn core(
    config: Config,
    network: &Network,
    store: &Store,
    application: impl Application,
) -> Result<Raft, StartError> {
    let fatal = |error: &dyn std::fmt::Display| StartError::Fatal(error.to_string());
    let state = store
        .state_machine(application)
        .map_err(|error| fatal(&error))?;
    let log = store.log();
    let (member, config) = (store.identity().member, Arc::new(config));
    Raft::new(member, config, network.clone(), log, state)
        .await
        .map_err(|error| fatal(&error))
}

/// How long a leader without quorum is silent at a time: a follower's lease, its random timeout, and as
/// long again for the votes (openraft asks for the first two at least).
fn silence_ms(timing: Timing) -> u64 {
    3 * timing.election_max_ms
}

fn config(cluster: &str, settings: &Settings) -> Result<Config, StartError> {
    let Settings { timing, images } = settings;
    let config = Config {
        cluster_name: cluster.to_owned(),
        heartbeat_interval: timing.heartbeat_ms,
        election_timeout_min: timing.election_min_ms,
        election_timeout_max: timing.election_max_ms,
        enable_pre_vote: Some(true),
        // A restarted leader is elected anew or not at all: its term's first entry says how long it was away.
        enable_leader_restore: Some(false),
        // A leader without quorum falls silent for this long at a time, or its heartbeats would keep a
        // connected majority from electing another.
        quorum_loss_probe_interval: Some(silence_ms(*timing)),
        install_snapshot_timeout: IMAGE_TIMEOUT_MS,
        max_payload_entries: REPLICATED_ENTRIES_MAX,
        replication_lag_threshold: images.entries.saturating_mul(2),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(images.entries),
        max_in_snapshot_log_to_keep: images.keep,
        purge_batch_size: (images.keep / 16).max(1),
        backoff: BACKOFF.to_owned(),
        ..Config::default()
    };
    config
        .validate()
        .map_err(|error| StartError::Settings(error.to_string()))
}

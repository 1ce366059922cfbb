//! Another process of the cluster, as far as a certificate can tell: it asks and serves nothing.

use std::sync::{Arc, OnceLock};

use aegis_updates::control::machine::Machine;
use aegis_updates::control::peers::server::handler;
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::{self, ImagePolicy, Member, Peers, Timing};
use aegis_updates_raft::pki::Authority;
use aegis_updates_raft::store::{self, Presence, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::rig::{CLUSTER, ME, certified};

pub struct Stranger {
    pub member: Member,
    _dir: TempDir,
}

/// Holds a certificate of the cluster's own authority for member `id`, and knows the first member's address.
pub async fn stranger(id: u64, authority: &Authority, peer: &str) -> Stranger {
    certified_stranger(id, CLUSTER, authority, peer).await
}

pub async fn certified_stranger(
    id: u64,
    cluster: &str,
    authority: &Authority,
    peer: &str,
) -> Stranger {
    let dir = TempDir::new().unwrap();
    let identity = store::Identity {
        cluster: cluster.to_owned(),
        member: id,
        incarnation: 1,
    };
    let fatal = Fatal::new(|_| {});
    let store = Store::open(dir.path(), identity, Presence::MayBeNew, fatal.clone()).unwrap();
    let peers = Peers {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        credentials: certified(authority, id, cluster),
        handler: handler(Arc::new(OnceLock::new())),
        joining: Arc::new(|_| false),
        anonymous_join: false,
        addresses: [(ME.0, peer.to_owned())].into(),
        faults: None,
    };
    let settings = member::Settings {
        timing: Timing::LAN,
        images: ImagePolicy::default(),
    };
    let (machine, _) = Machine::new(fatal);
    let member = Member::start(settings, store, machine, peers)
        .await
        .unwrap();
    Stranger { member, _dir: dir }
}

//! One member and its daemon's whole work, as its process has it. How that process lives and dies is not known here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aegis_updates::agent::boot::Boot;
use aegis_updates::agent::driver::Driver;
use aegis_updates::agent::ledger_file::LedgerFile;
use aegis_updates::agent::machine::Host;
use aegis_updates::agent::readiness::{State, Switch};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::control::evidence::Evidence;
use aegis_updates::control::machine::{Machine, Published};
use aegis_updates::control::own_host::OwnHost;
use aegis_updates::control::peers::server::{Slot, handler};
use aegis_updates::control::replica::{Replica, Timeouts};
use aegis_updates::control::service::Identity;
use aegis_updates::control::station::{self, Station};
use aegis_updates::control::{reconciler, term};
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::{self, ImagePolicy, Member, Peers};
use aegis_updates_raft::pki::{Authority, Credentials};
use aegis_updates_raft::store::{self, Presence, Store};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::acts::ModelHands;
use super::ground;
use super::watched::Watched;
use super::world::World;
use crate::support::{CLUSTER, LATE, NoHost, TIMING};

/// What a host keeps while its daemon is dead.
pub struct Place {
    pub name: NodeName,
    pub id: MemberId,
    pub address: SocketAddr,
    pub dir: TempDir,
    pub credentials: Credentials,
    pub authority: Option<Authority>,
}

/// Images are built often, and little log is kept: who was away for a moment needs one.
const IMAGES: ImagePolicy = ImagePolicy {
    entries: 40,
    log_bytes: u64::MAX,
    keep: 16,
};

/// How a member's last word begins that gave up on a disk; this machine's may be busy for that long.
const STOOD_STILL: &str = "the store has been stuck in one operation";
const FREE_AGAIN: Duration = Duration::from_millis(20);

/// Everything that a daemon does for consensus and for its own host; the database is a model.
pub async fn open(
    place: Arc<Place>,
    world: Arc<World>,
    dying: Arc<AtomicBool>,
) -> (Arc<Station>, Arc<Published>) {
    let (around, here) = (world.clone(), place.clone());
    let fatal = Fatal::new(move |reason| {
        if dying.load(Ordering::SeqCst) {
        } else if reason.starts_with(STOOD_STILL) {
            around.met.count("disk_stood_still");
            around.fallen.lock().unwrap().push(here.name.clone());
        } else {
            let who = here.id;
            around.watch.wrong(format!("member {who} failed: {reason}"));
        }
    });
    let slot: Slot = Arc::new(OnceLock::new());
    let (member, published) = start_member(&place, &world, fatal, &slot).await;
    let evidence = Arc::new(Evidence::default());
    let clock = Arc::new(ground::clock(place.id));
    let replica = Replica::new(
        member,
        published.clone(),
        evidence.clone(),
        clock,
        Timeouts::default(),
    );
    let identity = Identity {
        cluster: CLUSTER.to_owned(),
        node: place.name.clone(),
        member: place.id,
        ca_fingerprint: Digest::of(b"fingerprint"),
        peer: place.address.to_string(),
        insecure_plaintext: false,
    };
    let authority = place.authority.clone();
    let station = Station::new(replica.clone(), identity, authority, Arc::new(NoHost));
    let station = Arc::new(station);
    assert!(slot.set(station.clone()).is_ok());
    // Nobody ends these but the end of the runtime.
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(reconciler::run(
        replica.clone(),
        evidence.clone(),
        stopped.clone(),
    ));
    tokio::spawn(reconciler::probe_silent(
        replica.clone(),
        evidence,
        world.probe(),
        stopped.clone(),
    ));
    tokio::spawn(term::tick(replica, stopped.clone()));
    tokio::spawn(station::keep(station.clone(), stopped.clone()));
    let driver = driver(&place, &world, station.clone());
    tokio::spawn(async move {
        let ended = driver.run(stopped).await;
        drop(stop);
        ended.expect("the ledger can be written");
    });
    (station, published)
}

async fn start_member(
    place: &Place,
    world: &World,
    fatal: Fatal,
    slot: &Slot,
) -> (Member, Arc<Published>) {
    let owner = store::Identity {
        cluster: CLUSTER.to_owned(),
        member: place.id.0,
        incarnation: 1,
    };
    let store = open_store(place, owner, &fatal).await;
    let listener = ground::listen(place.address).await;
    let (machine, published) = Machine::new(fatal);
    let watched = Watched {
        inner: machine,
        published: published.clone(),
        me: place.id,
        watch: world.watch.clone(),
        restored: false,
    };
    let peers = Peers {
        listener,
        credentials: place.credentials.clone(),
        handler: handler(slot.clone()),
        joining: Arc::new(|_| true),
        anonymous_join: true,
        addresses: BTreeMap::new(),
        faults: Some(world.weather.clone()),
    };
    let settings = member::Settings {
        timing: TIMING,
        images: IMAGES,
    };
    let member = Member::start(settings, store, watched, peers)
        .await
        .unwrap();
    (member, published)
}

fn driver(place: &Place, world: &World, station: Arc<Station>) -> Driver {
    let (ledgers, resident) = (
        place.dir.path().join("ledger"),
        place.dir.path().join("resident"),
    );
    for dir in [&ledgers, &resident] {
        std::fs::create_dir_all(dir).unwrap();
    }
    let file = LedgerFile::new(&ledgers, &resident);
    let ledger = file.load(&place.name).unwrap();
    let switch = match ledger.ready {
        true => Switch::new(State::Ready, "as before this daemon started"),
        false => Switch::new(State::Drained, "the node is in hand"),
    };
    world
        .fleet
        .with(|hosts| hosts.attach(&place.name, switch.clone()));
    let hands = ModelHands {
        name: place.name.clone(),
        fleet: world.fleet.clone(),
        file,
        random: Mutex::new(world.random()),
        acts: AtomicU64::new(0),
    };
    Driver {
        host: Host::new(ledger),
        hands: Arc::new(hands),
        link: Arc::new(OwnHost {
            station,
            node: place.name.clone(),
        }),
        switch,
        boot: Boot::read().unwrap(),
    }
}

/// What a dead daemon held is free again soon after.
async fn open_store(place: &Place, owner: store::Identity, fatal: &Fatal) -> Store {
    let dir = place.dir.path().join("raft");
    let end = Instant::now() + LATE;
    loop {
        let (owner, fatal, clock) = (owner.clone(), fatal.clone(), ground::clock(place.id));
        match Store::open_with_clock(&dir, owner, Presence::MayBeNew, fatal, clock) {
            Ok(store) => return store,
            Err(error) => assert!(Instant::now() < end, "still in use: {error}"),
        }
        sleep(FREE_AGAIN).await;
    }
}

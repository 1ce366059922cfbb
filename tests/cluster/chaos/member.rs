//! One member and its daemon's whole work, in a runtime of its own: so it can be killed at any await like a
//! process, frozen like one, and started again from its disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
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
use aegis_updates_raft::store::{self, Presence, Store, SystemClock};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::acts::ModelHands;
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

/// One life of a daemon.
pub struct Life {
    pub station: Arc<Station>,
    pub published: Arc<Published>,
    runtime: Runtime,
    gate: Arc<Gate>,
    dying: Arc<AtomicBool>,
}

/// Holds the only thread of a runtime.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

/// Images are built often, and little log is kept: who was away for a moment needs one.
const IMAGES: ImagePolicy = ImagePolicy {
    entries: 40,
    log_bytes: u64::MAX,
    keep: 16,
};

const FREE_AGAIN: Duration = Duration::from_millis(20);

impl Life {
    pub async fn begin(place: Arc<Place>, world: Arc<World>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("member-{}", place.id))
            .enable_all()
            .build()
            .unwrap();
        let dying = Arc::new(AtomicBool::new(false));
        let began = runtime.spawn(open(place, world, dying.clone()));
        let (station, published) = began.await.unwrap();
        Self {
            station,
            published,
            runtime,
            gate: Arc::default(),
            dying,
        }
    }

    pub fn handle(&self) -> Handle {
        self.runtime.handle().clone()
    }

    /// Everything stands still but what a kernel or a disk does by itself.
    pub fn freeze(&self) {
        *self.gate.shut.lock().unwrap() = true;
        let gate = self.gate.clone();
        self.runtime.spawn(async move { gate.hold() });
    }

    pub fn thaw(&self) {
        *self.gate.shut.lock().unwrap() = false;
        self.gate.opened.notify_all();
    }

    /// Like a kill: every task ends at the await where it stands, nothing is said or handed over.
    pub async fn kill(self) {
        self.dying.store(true, Ordering::SeqCst);
        self.thaw();
        let Self {
            station,
            published,
            runtime,
            ..
        } = self;
        drop((station, published));
        let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LATE));
        ended.await.unwrap();
    }
}

impl Gate {
    fn hold(&self) {
        let mut shut = self.shut.lock().unwrap();
        while *shut {
            shut = self.opened.wait(shut).unwrap();
        }
    }
}

async fn open(
    place: Arc<Place>,
    world: Arc<World>,
    dying: Arc<AtomicBool>,
) -> (Arc<Station>, Arc<Published>) {
    let watch = world.watch.clone();
    let who = place.id;
    let fatal = Fatal::new(move |reason| {
        if !dying.load(Ordering::SeqCst) {
            watch.wrong(format!("member {who} failed: {reason}"));
        }
    });
    let slot: Slot = Arc::new(OnceLock::new());
    let (member, published) = start_member(&place, &world, fatal, &slot).await;
    let evidence = Arc::new(Evidence::default());
    let clock = Arc::new(SystemClock::new().unwrap());
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
    let store = open_store(&place.dir.path().join("raft"), owner, &fatal).await;
    let listener = listen(place.address).await;
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
async fn open_store(dir: &Path, owner: store::Identity, fatal: &Fatal) -> Store {
    let end = Instant::now() + LATE;
    loop {
        match Store::open(dir, owner.clone(), Presence::MayBeNew, fatal.clone()) {
            Ok(store) => return store,
            Err(error) => assert!(Instant::now() < end, "still in use: {error}"),
        }
        sleep(FREE_AGAIN).await;
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    let end = Instant::now() + LATE;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < end, "still in use: {error}"),
        }
        sleep(FREE_AGAIN).await;
    }
}

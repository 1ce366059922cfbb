//! One real member (openraft, RocksDB, its member listener) behind a real API listener. Nothing drives
//! it but the test: no reconciler, no ticks, no chores, so that between two looks only the request under
//! test can have changed anything.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::MemberId;
use aegis_updates::control::evidence::Evidence;
use aegis_updates::control::machine::{Machine, decode_reply, encode_submission};
use aegis_updates::control::peers::server::{Slot, handler};
use aegis_updates::control::peers::wire::Look;
use aegis_updates::control::replica::{Replica, Timeouts};
use aegis_updates::control::service::{Identity, Service};
use aegis_updates::control::station::{Beside, Station};
use aegis_updates::control::term;
use aegis_updates::http::api::Api;
use aegis_updates::http::limiter::Limiter;
use aegis_updates::http::listen::serve_tcp;
use aegis_updates::http::router::router;
use aegis_updates::journal::record::Record;
use aegis_updates::machine::image::digest_of_effects;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::machine::submission::Submission;
use aegis_updates_raft::application::{Node as Seat, Payload};
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::{self, ImagePolicy, Member, Peers, Timing};
use aegis_updates_raft::pki::{Authority, Credentials, Request};
use aegis_updates_raft::store::{self, Presence, Store, SystemClock};
use aegis_updates_raft::view::Role;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::wait::wait_until;

pub const CLUSTER: &str = "paper";
pub const ME: MemberId = MemberId(1);
pub const LATE: Duration = Duration::from_secs(30);
const TIMING: Timing = Timing {
    heartbeat_ms: 50,
    election_min_ms: 150,
    election_max_ms: 300,
};

pub struct Rig {
    pub station: Arc<Station>,
    /// Of the API listener.
    pub api: String,
    /// Of the member listener.
    pub peer: String,
    pub authority: Authority,
    credentials: Credentials,
    stop: CancellationToken,
    dir: TempDir,
}

/// All that a refusal must leave as it was.
#[derive(Debug, PartialEq, Eq)]
pub struct Print {
    effects: Digest,
    journal_index: u64,
    journal_count: u64,
}

impl Rig {
    /// A member that leads its first term and has opened nothing yet.
    pub async fn unopened() -> Self {
        let authority = Authority::create(CLUSTER, wall_now()).unwrap();
        let credentials = certified(&authority, ME.0, CLUSTER);
        let dir = TempDir::new().unwrap();
        let rig = Self::start(dir, authority, credentials).await;
        let seat = Seat {
            name: "node-1".to_owned(),
            peer_addr: rig.peer.clone(),
        };
        rig.member().init(seat).await.unwrap();
        rig.leads().await;
        rig
    }

    /// A member whose term is open and that belongs to no cluster.
    pub async fn unformed() -> Self {
        let rig = Self::unopened().await;
        rig.open_term().await;
        rig
    }

    pub async fn open_term(&self) {
        let replica = self.station.replica();
        wait_until(LATE, "the term is open", async || term::open(replica).await).await;
    }

    /// The same member from the same disk, in a new term that nobody has opened.
    pub async fn restart(self) -> Self {
        let before = self.station.consensus().term;
        let Self {
            station,
            authority,
            credentials,
            stop,
            dir,
            ..
        } = self;
        stop.cancel();
        station.replica().member().shutdown().await;
        drop(station);
        let rig = Self::start(dir, authority, credentials).await;
        rig.leads().await;
        assert!(rig.station.consensus().term > before);
        rig
    }

    async fn start(dir: TempDir, authority: Authority, credentials: Credentials) -> Self {
        let owner = store::Identity {
            cluster: CLUSTER.to_owned(),
            member: ME.0,
            incarnation: 1,
        };
        let fatal = Fatal::new(|reason| eprintln!("the member failed: {reason}"));
        let store = Store::open(dir.path(), owner, Presence::MayBeNew, fatal.clone()).unwrap();
        let (machine, published) = Machine::new(fatal);
        let slot: Slot = Arc::new(OnceLock::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        let peers = Peers {
            listener,
            credentials: credentials.clone(),
            handler: handler(slot.clone()),
            joining: Arc::new(|_| true),
            anonymous_join: true,
            addresses: BTreeMap::new(),
            faults: None,
        };
        let settings = member::Settings {
            timing: TIMING,
            images: ImagePolicy::default(),
        };
        let member = Member::start(settings, store, machine, peers)
            .await
            .unwrap();
        let clock = Arc::new(SystemClock::new().unwrap());
        let evidence = Arc::new(Evidence::default());
        let replica = Replica::new(member, published, evidence, clock, Timeouts::default());
        let identity = Identity {
            cluster: CLUSTER.to_owned(),
            node: "node-1".parse().unwrap(),
            member: ME,
            ca_fingerprint: Digest::of(b"ca"),
            peer: peer.clone(),
            insecure_plaintext: false,
        };
        let ca = Some(authority.clone());
        let station = Arc::new(Station::new(replica, identity, ca, Arc::new(NoHost)));
        assert!(slot.set(station.clone()).is_ok());
        let mut rig = Self {
            station,
            api: String::new(),
            peer,
            authority,
            credentials,
            stop: CancellationToken::new(),
            dir,
        };
        rig.api = rig.listen(Limiter::new(1_000_000, 1_000_000)).await;
        rig
    }

    /// One more API listener of this member; gives its address.
    pub async fn listen(&self, limiter: Limiter) -> String {
        let api = Api::with_limiter(self.station.clone(), limiter);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = serve_tcp(listener, None, router(&api), self.stop.clone());
        tokio::spawn(serving);
        address
    }

    pub fn member(&self) -> &Member {
        self.station.replica().member()
    }

    pub fn state(&self) -> Arc<State> {
        self.station.replica().state()
    }

    async fn leads(&self) {
        let leads = async || self.member().view().role == Role::Leader;
        wait_until(LATE, "the member leads", leads).await;
    }

    /// Into the log as it is, past every check of this member's own.
    pub async fn append(&self, submission: &Submission) -> Result<Reply, Refusal> {
        let bytes = encode_submission(submission).unwrap();
        self.append_bytes(bytes).await
    }

    pub async fn append_bytes(&self, bytes: Vec<u8>) -> Result<Reply, Refusal> {
        let term = self.member().view().term;
        let proposed = self
            .member()
            .propose_in_term(term, Payload::new(bytes), LATE);
        decode_reply(&proposed.await.unwrap().bytes).unwrap()
    }

    pub fn print(&self) -> Print {
        let state = self.state();
        Print {
            effects: digest_of_effects(&state).unwrap(),
            journal_index: state.head.journal.last_index,
            journal_count: state.head.journal.count,
        }
    }

    /// The journal as it lies on disk.
    pub async fn journal(&self) -> Vec<Record> {
        self.station.journal(None, 100_000).await.unwrap()
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.member().shutdown().await;
    }
}

/// A certificate of `authority` that names this member of `cluster`.
pub fn certified(authority: &Authority, member: u64, cluster: &str) -> Credentials {
    let request = Request::create().unwrap();
    let host = ["127.0.0.1".to_owned()];
    let issued = authority.issue(&request.csr_pem, cluster, member, &host, wall_now());
    Credentials {
        authority_pem: authority.certificate_pem().to_owned(),
        certificate_pem: issued.unwrap(),
        key_pem: request.key_pem,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates of these real listeners are valid from now on"
)]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

struct NoHost;

impl Beside for NoHost {
    fn look(&self, _: String, _: Vec<String>) -> BoxFuture<'_, Look> {
        Box::pin(async {
            Look {
                disk_free_bytes: None,
                artifact: None,
            }
        })
    }

    fn database_ready(&self) -> bool {
        true
    }
}

//! A cluster of stations in one process, and waiting for what becomes true. No test lives here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::MemberId;
use aegis_updates::control::evidence::Evidence;
use aegis_updates::control::machine::Machine;
use aegis_updates::control::peers::server::{Slot, handler};
use aegis_updates::control::peers::wire::{self, Admitted, JoinAnswer, JoinAsk};
use aegis_updates::control::replica::{Replica, Timeouts};
use aegis_updates::control::service::{Denied, Identity, Service};
use aegis_updates::control::station::{self, Station};
use aegis_updates::control::{reconciler, term};
use aegis_updates::machine::command::{Command, Founder, Joiner, Settings};
use aegis_updates::machine::state::Reply;
use aegis_updates_raft::application::Node as Seat;
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::{self, ImagePolicy, Member, Peers};
use aegis_updates_raft::network::{Faults, JOIN, Kind, Verdict, ask_to_join};
use aegis_updates_raft::pki::{Authority, Credentials, Request, fingerprint};
use aegis_updates_raft::store::{self, Presence, Store};
use hyper::body::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::clocks::SetClock;

pub use crate::calls::{CLUSTER, LATE, NoHost, TIMING, client, eventually, token};

const SECRET: [u8; 32] = [7; 32];

/// Members whose every message, in and out, is refused.
#[derive(Default)]
pub struct Cuts(Mutex<BTreeSet<u64>>);

impl Faults for Cuts {
    fn before(&self, from: u64, to: u64, _: Kind) -> Verdict {
        let cut = self.0.lock().unwrap();
        match cut.contains(&from) || cut.contains(&to) {
            true => Verdict::Refuse,
            false => Verdict::Pass,
        }
    }
}

impl Cuts {
    pub fn cut(&self, id: MemberId) {
        self.0.lock().unwrap().insert(id.0);
    }

    pub fn heal(&self) {
        self.0.lock().unwrap().clear();
    }
}

pub struct One {
    pub station: Arc<Station>,
    pub clock: Arc<SetClock>,
    stop: watch::Sender<bool>,
    work: JoinSet<()>,
    _dir: TempDir,
}

impl One {
    pub fn id(&self) -> MemberId {
        self.station.replica().me()
    }

    pub async fn end(mut self) {
        let _ = self.stop.send(true);
        self.station.replica().member().shutdown().await;
        self.work.shutdown().await;
    }
}

pub struct Group {
    pub members: Vec<One>,
    pub cuts: Arc<Cuts>,
    authority: Authority,
}

impl Group {
    /// `count` members: the first forms, the others join by its member listener.
    pub async fn of(count: usize) -> Self {
        let authority = Authority::create(CLUSTER, wall_now()).unwrap();
        let mut group = Self {
            members: Vec::new(),
            cuts: Arc::default(),
            authority,
        };
        group.found().await;
        for number in 2..=count {
            group.join(number).await;
        }
        group
    }

    async fn found(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        let request = Request::create().unwrap();
        let host = ["127.0.0.1".to_owned()];
        let now = wall_now();
        let certificate_pem = self
            .authority
            .issue(&request.csr_pem, CLUSTER, 1, &host, now)
            .unwrap();
        let credentials = Credentials {
            authority_pem: self.authority.certificate_pem().to_owned(),
            certificate_pem,
            key_pem: request.key_pem,
        };
        let authority = Some(self.authority.clone());
        let one = self.start(1, 1, listener, credentials, authority).await;
        let replica = one.station.replica().clone();
        let seat = Seat {
            name: "node-1".to_owned(),
            peer_addr: peer.clone(),
        };
        replica.member().init(seat).await.unwrap();
        let founder = Founder {
            cluster: CLUSTER.to_owned(),
            node: "node-1".parse().unwrap(),
            member: MemberId(1),
            address: "http://127.0.0.1:1".to_owned(),
            api: String::new(),
            peer,
            zone: None,
            settings: Settings {
                quorum_loss_grace_ms: 10_000,
                url_allow: vec!["https://".to_owned()],
                voters_max: 5,
            },
            token: None,
        };
        let form = replica.own(Command::Form(founder));
        eventually("the cluster is formed", async || {
            let _ = replica.submit(form.clone()).await;
            replica.state().head.cluster.is_some()
        })
        .await;
        self.members.push(one);
    }

    /// Joins as `serve --join` does.
    pub async fn join(&mut self, number: usize) -> MemberId {
        self.join_as(number, &format!("ticket {number}")).await
    }

    /// As [`Group::join`], with a ticket of its own: a name that was used before needs another one.
    pub async fn join_as(&mut self, number: usize, ticket: &str) -> MemberId {
        let secret = Digest::of(ticket.as_bytes());
        let token = Command::CreateToken {
            id: format!("join-{}", ticket.replace(' ', "-")),
            hash: Digest::of(secret.as_bytes()),
            grants: Grant::Join,
            ttl_ms: 60_000,
        };
        self.write_at(0, token).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        let request = Request::create().unwrap();
        let ask = JoinAsk {
            joiner: Joiner {
                token: Digest::of(secret.as_bytes()),
                nonce: Digest::of(format!("nonce of {ticket}").as_bytes()),
                node: format!("node-{number}").parse().unwrap(),
                address: "http://127.0.0.1:1".to_owned(),
                api: String::new(),
                peer,
                zone: None,
            },
            csr_pem: request.csr_pem.clone(),
            supports: None,
        };
        // The last member hands it on to the one that holds the CA's key.
        let door = self.members.last().unwrap();
        let door = door.station.identity().peer;
        let admitted = ask_in(&door, &self.authority, &ask).await;
        let credentials = Credentials {
            authority_pem: admitted.authority_pem,
            certificate_pem: admitted.certificate_pem,
            key_pem: request.key_pem,
        };
        let id = admitted.member;
        let one = self.start(number, id.0, listener, credentials, None).await;
        eventually("the joiner is a member", async || {
            one.station.consensus().leader.is_some()
        })
        .await;
        self.members.push(one);
        id
    }

    async fn start(
        &self,
        number: usize,
        id: u64,
        listener: TcpListener,
        credentials: Credentials,
        authority: Option<Authority>,
    ) -> One {
        let dir = TempDir::new().unwrap();
        let owner = store::Identity {
            cluster: CLUSTER.to_owned(),
            member: id,
            incarnation: 1,
        };
        let fatal = Fatal::new(|reason| eprintln!("a member failed: {reason}"));
        let store = Store::open(dir.path(), owner, Presence::MayBeNew, fatal.clone()).unwrap();
        let (machine, published) = Machine::new(fatal);
        let slot: Slot = Arc::new(OnceLock::new());
        let peer = listener.local_addr().unwrap().to_string();
        let peers = Peers {
            listener,
            credentials,
            handler: handler(slot.clone()),
            joining: Arc::new(|_| true),
            anonymous_join: true,
            addresses: BTreeMap::new(),
            faults: Some(self.cuts.clone()),
        };
        let settings = member::Settings {
            timing: TIMING,
            images: ImagePolicy::default(),
        };
        let member = Member::start(settings, store, machine, peers)
            .await
            .unwrap();
        let evidence = Arc::new(Evidence::default());
        let clock = Arc::new(SetClock::new());
        let timeouts = Timeouts::default();
        let replica = Replica::new(member, published, evidence.clone(), clock.clone(), timeouts);
        let identity = Identity {
            cluster: CLUSTER.to_owned(),
            node: format!("node-{number}").parse().unwrap(),
            member: MemberId(id),
            ca_fingerprint: Digest::from_bytes(SECRET),
            peer,
            insecure_plaintext: false,
        };
        let station = Station::new(replica.clone(), identity, authority, Arc::new(NoHost));
        let station = Arc::new(station);
        assert!(slot.set(station.clone()).is_ok());
        let (stop, stopped) = watch::channel(false);
        let mut work = JoinSet::new();
        work.spawn(reconciler::run(replica.clone(), evidence, stopped.clone()));
        work.spawn(term::tick(replica, stopped.clone()));
        work.spawn(station::keep(station.clone(), stopped));
        One {
            station,
            clock,
            stop,
            work,
            _dir: dir,
        }
    }

    pub fn station(&self, at: usize) -> &Station {
        &self.members[at].station
    }

    /// A client's write that arrives at this member.
    pub async fn write_at(&self, at: usize, command: Command) -> Result<Reply, Denied> {
        self.station(at).submit(client(command)).await
    }

    pub async fn all_vote(&self, count: usize) {
        for one in &self.members {
            eventually("all vote", async || {
                let seen = one.station.consensus();
                seen.voters.len() == count && !seen.changing
            })
            .await;
        }
    }

    /// Whether this member has applied the write of that token.
    pub fn has(&self, at: usize, token: &str) -> bool {
        let replica = self.station(at).replica();
        replica.state().tokens.contains_key(token)
    }

    /// The position of the member that the others follow.
    pub fn leader(&self) -> usize {
        let leader = self.members[0].station.consensus().leader.unwrap();
        let at = self.members.iter().position(|one| one.id() == leader);
        at.unwrap()
    }

    pub async fn end(self) {
        for one in self.members {
            one.end().await;
        }
    }
}

/// A member that has just joined may not know yet who holds the CA's key.
async fn ask_in(door: &str, authority: &Authority, ask: &JoinAsk) -> Admitted {
    let fingerprint = fingerprint(authority.certificate_pem()).unwrap();
    let end = Instant::now() + LATE;
    loop {
        let request = http::Request::post(JOIN)
            .body(Bytes::from(wire::encode(ask).unwrap()))
            .unwrap();
        let answer = ask_to_join(door, fingerprint, request, LATE).await.unwrap();
        match wire::decode(answer.body()).unwrap() {
            JoinAnswer::Admitted(admitted) => return admitted,
            other => assert!(Instant::now() < end, "not admitted: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates of these real listeners are valid from now on"
)]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

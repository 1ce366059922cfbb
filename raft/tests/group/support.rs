//! A small application and a cluster of real members in one process, over real mutual TLS on loopback.
//! No test lives here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aegis_updates_raft::application::{
    Application, Applied, Column, EntryContext, EntryKind, Node, Payload, RestoreError, Row,
    StoredRow,
};
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::member::{
    ImagePolicy, Member, Peers, ProposeError, Reply, Settings, Timing,
};
use aegis_updates_raft::network::{Body, Faults, Handler, PeerIdentity};
use aegis_updates_raft::pki::{Authority, Credentials, Request};
use aegis_updates_raft::store::{Identity, Presence, Store};
use http_body_util::{BodyExt, Full};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub const CLUSTER: &str = "paper";
pub const SOON: Duration = Duration::from_secs(5);
pub const LATE: Duration = Duration::from_secs(30);
/// Slower than production: the tests share two cores with whatever else runs.
pub const TIMING: Timing = Timing {
    heartbeat_ms: 100,
    election_min_ms: 500,
    election_max_ms: 1_000,
};

/// Not a key of any test: the index of the newest entry, written with what the entry changed.
const NEWEST: &[u8] = b"\0newest";

/// Keeps the newest value of each key and every entry it saw.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Book {
    /// As it was restored, and then as applied: an entry that comes twice, or after a gap, is seen by it.
    pub newest: Option<u64>,
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
    pub seen: Vec<EntryContext>,
    pub restores: usize,
}

#[derive(Clone, Default)]
pub struct Register(pub Arc<Mutex<Book>>);

impl Register {
    pub fn rows(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.0.lock().unwrap().rows.clone()
    }
}

impl Application for Register {
    fn apply(&mut self, entry: &EntryContext, payload: &[u8]) -> Applied {
        assert!(!payload.starts_with(b"panic="), "as it was told");
        let mut book = self.0.lock().unwrap();
        if let Some(newest) = book.newest.replace(entry.index) {
            assert_eq!(entry.index, newest + 1, "applied twice, or with a gap");
        }
        let newest = Row {
            column: Column::Application,
            key: NEWEST.to_vec(),
            value: Some(entry.index.to_be_bytes().to_vec()),
        };
        book.seen.push(entry.clone());
        let EntryKind::Normal { .. } = entry.kind else {
            return Applied {
                reply: Vec::new(),
                rows: vec![newest],
            };
        };
        let (key, value) = payload.split_at(payload.iter().position(|byte| *byte == b'=').unwrap());
        let before = book
            .rows
            .insert(key.to_vec(), value.to_vec())
            .unwrap_or_default();
        let state = Row {
            column: Column::Application,
            key: key.to_vec(),
            value: Some(value.to_vec()),
        };
        let journal_key = entry.index.to_be_bytes().to_vec();
        let fact = Row {
            column: Column::Journal,
            key: journal_key,
            value: Some(payload.to_vec()),
        };
        Applied {
            reply: before,
            rows: vec![state, fact, newest],
        }
    }

    fn restore(&mut self, rows: &mut dyn Iterator<Item = StoredRow>) -> Result<(), RestoreError> {
        let mut book = self.0.lock().unwrap();
        book.rows = rows.collect::<Result<_, _>>()?;
        let newest = book.rows.remove(NEWEST);
        book.newest = newest.map(|index| u64::from_be_bytes(index.try_into().unwrap()));
        book.restores += 1;
        Ok(())
    }
}

/// One member and what belongs to it.
pub struct Host {
    pub member: Member,
    pub register: Register,
    pub address: String,
    pub failures: Arc<Mutex<Vec<String>>>,
}

pub struct World {
    pub dir: TempDir,
    pub authority: Authority,
    pub images: ImagePolicy,
    pub faults: Option<Arc<dyn Faults>>,
    addresses: BTreeMap<u64, String>,
}

impl World {
    pub fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            authority: Authority::create(CLUSTER, now()).unwrap(),
            images: ImagePolicy::default(),
            faults: None,
            addresses: BTreeMap::new(),
        }
    }

    pub fn credentials(&self, cluster: &str, id: u64) -> Credentials {
        credentials(&self.authority, cluster, id)
    }

    pub fn store_dir(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("member-{id}"))
    }

    /// Starts a member, again at its old address when it had one.
    pub async fn start(&mut self, id: u64) -> Host {
        let wanted = self
            .addresses
            .get(&id)
            .cloned()
            .unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let listener = bind(&wanted).await;
        let address = listener.local_addr().unwrap().to_string();
        self.addresses.insert(id, address.clone());
        let failures: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = failures.clone();
        let fatal = Fatal::new(move |reason| noted.lock().unwrap().push(reason.to_owned()));
        let store =
            Store::open(&self.store_dir(id), identity(id), Presence::MayBeNew, fatal).unwrap();
        let register = Register::default();
        let peers = Peers {
            listener,
            credentials: self.credentials(CLUSTER, id),
            handler: echo(id),
            joining: Arc::new(|_| false),
            anonymous_join: true,
            addresses: BTreeMap::new(),
            faults: self.faults.clone(),
        };
        let settings = Settings {
            timing: TIMING,
            images: self.images,
        };
        let member = Member::start(settings, store, register.clone(), peers)
            .await
            .unwrap();
        Host {
            member,
            register,
            address,
            failures,
        }
    }

    /// Members 1 to `count`, all voters; 1 leads.
    pub async fn form(&mut self, count: u64) -> Vec<Host> {
        let first = self.start(1).await;
        first.member.init(node(1, &first.address)).await.unwrap();
        leads(&first).await;
        let mut hosts = vec![first];
        for id in 2..=count {
            let host = self.start(id).await;
            hosts[0]
                .member
                .add_learner(id, node(id, &host.address), LATE)
                .await
                .unwrap();
            hosts[0].member.promote(id, LATE).await.unwrap();
            hosts.push(host);
        }
        hosts
    }
}

/// A certificate must be valid while the test runs.
#[expect(
    clippy::disallowed_methods,
    reason = "TLS compares with the real clock"
)]
pub fn now() -> SystemTime {
    SystemTime::now()
}

pub fn identity(member: u64) -> Identity {
    Identity {
        cluster: CLUSTER.to_owned(),
        member,
        incarnation: 1,
    }
}

pub fn node(id: u64, address: &str) -> Node {
    Node {
        name: format!("n{id}"),
        peer_addr: address.to_owned(),
    }
}

pub fn credentials(authority: &Authority, cluster: &str, id: u64) -> Credentials {
    let request = Request::create().unwrap();
    let hosts = ["127.0.0.1".to_owned()];
    let issued = authority
        .issue(&request.csr_pem, cluster, id, &hosts, now())
        .unwrap();
    Credentials {
        authority_pem: authority.certificate_pem().to_owned(),
        certificate_pem: issued,
        key_pem: request.key_pem,
    }
}

pub fn payload(key: &str, value: &str) -> Payload {
    Payload::new(format!("{key}={value}").into_bytes())
}

pub async fn put(host: &Host, key: &str, value: &str) -> Result<Reply, ProposeError> {
    host.member.propose(payload(key, value), SOON).await
}

pub async fn leads(host: &Host) {
    let id = host.member.id();
    eventually("it leads with a quorum", || {
        let view = host.member.view();
        view.leader == Some(id) && view.leads_within(Duration::from_secs(1))
    })
    .await;
}

/// All of them have applied what the first has, and hold the same rows.
pub async fn agree(hosts: &[&Host]) {
    let index = hosts[0].member.read_index(LATE).await.unwrap();
    for host in hosts {
        host.member.applied(index, LATE).await.unwrap();
        assert_eq!(
            host.register.rows(),
            hosts[0].register.rows(),
            "member {}",
            host.member.id()
        );
    }
}

/// For what announces itself by no event.
pub async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LATE;
    while !check() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within {LATE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn files_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The port was free a moment ago; its last user may still be closing it.
async fn bind(address: &str) -> TcpListener {
    let deadline = tokio::time::Instant::now() + LATE;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Says who was asked what by whom.
fn echo(id: u64) -> Handler {
    Arc::new(move |identity: PeerIdentity, request| {
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let text = format!("{id} heard {path} from {identity}");
            let body: Body = Full::from(text).map_err(|never| match never {}).boxed();
            http::Response::new(body)
        })
    })
}

//! How a cluster comes to be: one host forms it, the others join by whatever member answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::base::version::Supported;
use aegis_updates::control::peers::wire::{self, Admitted, JoinAnswer, JoinAsk};
use aegis_updates::control::service::Service;
use aegis_updates::control::station::Station;
use aegis_updates::machine::command::{Command, Founder, Joiner, Settings};
use aegis_updates_raft::application::Node as RaftNode;
use aegis_updates_raft::network::{JOIN, ask_to_join};
use aegis_updates_raft::pki::{Authority, Credentials, Request, fingerprint};
use hyper::body::Bytes;
use tokio::time::sleep;

use super::daemon::Place;
use super::ground::{empty_dir, free_address};
use super::member::Life;
use super::world::{PATIENCE, Seat, World};
use crate::support::{CLUSTER, LATE, client, wall_now};

impl World {
    pub async fn found(self: Arc<Self>) {
        let (name, address) = self.new_host().await;
        let request = Request::create().unwrap();
        let host = [address.ip().to_string()];
        let issued = self
            .authority
            .issue(&request.csr_pem, CLUSTER, 1, &host, wall_now());
        let credentials = Credentials {
            authority_pem: self.authority.certificate_pem().to_owned(),
            certificate_pem: issued.unwrap(),
            key_pem: request.key_pem,
        };
        let id = MemberId(1);
        let authority = Some(self.authority.clone());
        let founder = self.founder(&name, id, address);
        self.clone()
            .sit(name.clone(), id, address, credentials, authority)
            .await;
        let seat = RaftNode {
            name: name.to_string(),
            peer_addr: address.to_string(),
        };
        self.on_within(LATE, &name, async move |station| {
            let replica = station.replica();
            replica.member().init(seat).await.unwrap();
            let form = replica.own(Command::Form(founder));
            while replica.state().head.cluster.is_none() {
                // It has to elect itself first.
                let _ = replica.submit(form.clone()).await;
            }
        })
        .await
        .expect("the cluster is formed");
    }

    fn founder(&self, name: &NodeName, id: MemberId, address: SocketAddr) -> Founder {
        Founder {
            cluster: CLUSTER.to_owned(),
            node: name.clone(),
            member: id,
            address: format!("http://{name}:1"),
            api: String::new(),
            peer: address.to_string(),
            zone: None,
            settings: Settings {
                quorum_loss_grace_ms: self.setting.grace_ms,
                url_allow: vec!["https://".to_owned()],
                voters_max: 5,
            },
            token: None,
        }
    }

    /// A new host joins by whatever member answers, and tries until it is in.
    pub async fn join(self: Arc<Self>) -> NodeName {
        let (name, address) = self.new_host().await;
        let secret = Digest::of(format!("ticket of {name}").as_bytes());
        let token = Command::CreateToken {
            id: format!("join-{name}"),
            hash: Digest::of(secret.as_bytes()),
            grants: Grant::Join,
            ttl_ms: 600_000,
        };
        let request = Request::create().unwrap();
        let ask = JoinAsk {
            joiner: Joiner {
                token: Digest::of(secret.as_bytes()),
                nonce: Digest::of(format!("nonce of {name}").as_bytes()),
                node: name.clone(),
                address: format!("http://{name}:1"),
                api: String::new(),
                peer: address.to_string(),
                zone: None,
            },
            csr_pem: request.csr_pem,
            supports: Some(Supported::OURS),
        };
        let admitted = loop {
            let door = self.any();
            let call = client(token.clone());
            // Refused when it is there already.
            let put = async move |station: Arc<Station>| drop(station.submit(call).await);
            self.on(&door, put).await;
            match self.ask_in(&door, &ask).await {
                Some(admitted) => break admitted,
                None => sleep(Duration::from_millis(200)).await,
            }
        };
        let credentials = Credentials {
            authority_pem: admitted.authority_pem,
            certificate_pem: admitted.certificate_pem,
            key_pem: request.key_pem,
        };
        let id = admitted.member;
        self.sit(name.clone(), id, address, credentials, None).await;
        name
    }

    async fn ask_in(&self, door: &NodeName, ask: &JoinAsk) -> Option<Admitted> {
        let address = {
            let seats = self.seats.lock().unwrap();
            seats.get(door)?.place.address.to_string()
        };
        let body = Bytes::from(wire::encode(ask).ok()?);
        let request = http::Request::post(JOIN).body(body).ok()?;
        let ours = fingerprint(self.authority.certificate_pem()).ok()?;
        let answer = ask_to_join(&address, ours, request, PATIENCE).await.ok()?;
        match wire::decode(answer.body()).ok()? {
            JoinAnswer::Admitted(admitted) => Some(admitted),
            _ => None,
        }
    }

    async fn new_host(&self) -> (NodeName, SocketAddr) {
        let number = self.number();
        let name: NodeName = format!("node-{number}").parse().unwrap();
        let address = free_address(number).await;
        let place = usize::try_from(number).unwrap();
        self.fleet.with(|hosts| hosts.add(&name, place));
        (name, address)
    }

    async fn sit(
        self: Arc<Self>,
        name: NodeName,
        id: MemberId,
        address: SocketAddr,
        credentials: Credentials,
        authority: Option<Authority>,
    ) {
        let place = Arc::new(Place {
            name: name.clone(),
            id,
            address,
            dir: empty_dir(),
            credentials,
            authority,
        });
        let life = Life::begin(place.clone(), self.clone()).await;
        let seat = Seat {
            place,
            life: Some(life),
            in_trouble: false,
        };
        self.seats.lock().unwrap().insert(name, seat);
    }
}

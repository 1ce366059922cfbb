//! Forming a cluster and joining one: what a host does once, before it serves. Both may be cut short and
//! done again. The daemon that serves is not started here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aegis_updates_raft::network::{JOIN, ask_to_join};
use aegis_updates_raft::pki::{self, Authority, Credentials, Request};
use http::{Method, StatusCode};
use hyper::body::Bytes;

use super::chance;
use super::identity::{self, Identity, Joining};
use super::places::Places;
use crate::access::secret::{JoinTicket, Secret};
use crate::base::digest::Digest;
use crate::base::ids::MemberId;
use crate::base::version;
use crate::config::Config;
use crate::control::peers::wire::{self, Admitted, JoinAnswer, JoinAsk};
use crate::machine::command::{Founder, Joiner, Settings};
use crate::machine::refusal::Refusal;
use crate::plans::origins::Origins;

/// The member's id of whoever forms a cluster.
const FOUNDER: MemberId = MemberId(1);
/// The name under which the first administrator's token is kept.
const FIRST_TOKEN: &str = "admin";
/// A write, a signature and two hops.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A cluster that was formed on disk; the next `serve` begins it.
#[derive(Debug)]
pub struct Formed {
    pub identity: Identity,
    /// Shown once.
    pub token: Secret,
    pub ca_fingerprint: Digest,
}

#[derive(Debug)]
pub enum Error {
    Identity(identity::Error),
    /// This host is a member already.
    Member {
        cluster: String,
        data_dir: PathBuf,
    },
    Credentials(pki::Error),
    Directories(crate::agent::files::Error),
    /// `cluster.url_allow` names no origin that hosts could fetch from.
    Origins(String),
    /// The cluster was asked and said no.
    Refused(Refusal),
    /// The cluster could not be asked, or could not answer now: try again.
    Unreachable(String),
}

/// Makes CA, credentials and identity of a new cluster whose only member this host is.
pub fn init(config: &Config) -> Result<Formed, Error> {
    let places = Places::of(config);
    Origins::parse(&config.cluster.url_allow).map_err(|error| Error::Origins(error.to_string()))?;
    places.create().map_err(Error::Directories)?;
    refuse_member(config)?;
    let cluster = new_cluster_id(&config.cluster.name);
    let now = wall_now();
    let authority = Authority::create(&cluster, now).map_err(Error::Credentials)?;
    let request = Request::create().map_err(Error::Credentials)?;
    let hosts = [host_of(&config.listen.members_address())];
    let certificate_pem = authority
        .issue(&request.csr_pem, &cluster, FOUNDER.0, &hosts, now)
        .map_err(Error::Credentials)?;
    let credentials = Credentials {
        authority_pem: authority.certificate_pem().to_owned(),
        certificate_pem,
        key_pem: request.key_pem,
    };
    authority.save(&places.tls).map_err(Error::Credentials)?;
    credentials.save(&places.tls).map_err(Error::Credentials)?;
    let token = Secret::from_random(chance::bytes());
    let identity = Identity {
        cluster: cluster.clone(),
        member: FOUNDER,
        incarnation: 1,
        node: config.node.name.clone(),
        founding: Some(founder(config, cluster, &token)),
        established: false,
    };
    // Last, so that an identity on disk means that all is there.
    identity.save(&places.data_dir).map_err(Error::Identity)?;
    let ca_fingerprint = fingerprint(authority.certificate_pem())?;
    Ok(Formed {
        identity,
        token,
        ca_fingerprint,
    })
}

fn founder(config: &Config, cluster: String, token: &Secret) -> Founder {
    Founder {
        cluster,
        node: config.node.name.clone(),
        member: FOUNDER,
        address: config.database.address.clone(),
        api: config.listen.api_address(config.tls.is_some()),
        peer: config.listen.members_address(),
        zone: config.node.zone.clone(),
        settings: Settings {
            quorum_loss_grace_ms: config.cluster.quorum_loss_grace.0,
            url_allow: config.cluster.url_allow.clone(),
            voters_max: config.cluster.max_voters,
        },
        token: Some((FIRST_TOKEN.to_owned(), token.hash())),
    }
}

/// Asks the cluster that gave the ticket to let this host in, and writes down what it answers.
pub async fn join(config: &Config, ticket: &JoinTicket) -> Result<Identity, Error> {
    let places = Places::of(config);
    places.create().map_err(Error::Directories)?;
    refuse_member(config)?;
    let joining = joining(&places.data_dir)?;
    let ask = JoinAsk {
        joiner: Joiner {
            token: ticket.hash(),
            nonce: joining.nonce,
            node: config.node.name.clone(),
            address: config.database.address.clone(),
            api: config.listen.api_address(config.tls.is_some()),
            peer: config.listen.members_address(),
            zone: config.node.zone.clone(),
        },
        csr_pem: joining.csr_pem.clone(),
        supports: Some(version::Supported::OURS),
    };
    let admitted = ask_cluster(ticket, &ask).await?;
    let credentials = Credentials {
        authority_pem: admitted.authority_pem,
        certificate_pem: admitted.certificate_pem,
        key_pem: joining.key_pem,
    };
    credentials.save(&places.tls).map_err(Error::Credentials)?;
    let identity = Identity {
        cluster: admitted.cluster,
        member: admitted.member,
        incarnation: admitted.incarnation,
        node: config.node.name.clone(),
        founding: None,
        established: false,
    };
    identity.save(&places.data_dir).map_err(Error::Identity)?;
    Joining::forget(&places.data_dir).map_err(Error::Identity)?;
    Ok(identity)
}

/// The nonce and key of an earlier try, or new ones, on disk before anybody hears of them.
fn joining(data_dir: &Path) -> Result<Joining, Error> {
    if let Some(joining) = Joining::load(data_dir).map_err(Error::Identity)? {
        return Ok(joining);
    }
    let request = Request::create().map_err(Error::Credentials)?;
    let joining = Joining {
        nonce: Digest::from_bytes(chance::bytes()),
        csr_pem: request.csr_pem,
        key_pem: request.key_pem,
    };
    joining.save(data_dir).map_err(Error::Identity)?;
    Ok(joining)
}

async fn ask_cluster(ticket: &JoinTicket, ask: &JoinAsk) -> Result<Admitted, Error> {
    let body = wire::encode(ask).map_err(Error::Unreachable)?;
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(JOIN)
        .body(Bytes::from(body))
        .map_err(|error| Error::Unreachable(error.to_string()))?;
    let fingerprint = *ticket.ca_fingerprint.as_bytes();
    let answer = ask_to_join(&ticket.peer, fingerprint, request, JOIN_TIMEOUT)
        .await
        .map_err(|error| Error::Unreachable(error.to_string()))?;
    if answer.status() != StatusCode::OK {
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        return Err(Error::Unreachable(format!(
            "{} answered {}: {text}",
            ticket.peer,
            answer.status()
        )));
    }
    match wire::decode(answer.body()).map_err(Error::Unreachable)? {
        JoinAnswer::Admitted(admitted) => Ok(admitted),
        JoinAnswer::Refused(refusal) => Err(Error::Refused(refusal)),
        JoinAnswer::Unanswered(lost) => Err(Error::Unreachable(lost.to_string())),
        JoinAnswer::NoAuthority(reason) => Err(Error::Unreachable(reason)),
    }
}

fn refuse_member(config: &Config) -> Result<(), Error> {
    let data_dir = &config.node.data_dir;
    match Identity::load(data_dir, &config.node.name).map_err(Error::Identity)? {
        None => Ok(()),
        Some(identity) => Err(Error::Member {
            cluster: identity.cluster,
            data_dir: data_dir.clone(),
        }),
    }
}

/// The CA's certificate as join tickets name it.
pub fn fingerprint(authority_pem: &str) -> Result<Digest, Error> {
    let bytes = pki::fingerprint(authority_pem).map_err(Error::Credentials)?;
    Ok(Digest::from_bytes(bytes))
}

/// The configured name for people, and chance so that two clusters of one name are two.
fn new_cluster_id(name: &str) -> String {
    let suffix: String = Digest::from_bytes(chance::bytes()).to_string();
    let suffix: String = suffix.chars().take(8).collect();
    format!("{name}-{suffix}")
}

fn host_of(address: &str) -> String {
    match address.rsplit_once(':') {
        Some((host, _)) => host.trim_matches(['[', ']']).to_owned(),
        None => address.to_owned(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates are dated by the wall clock"
)]
fn wall_now() -> SystemTime {
    SystemTime::now()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(error) => error.fmt(f),
            Self::Member { cluster, data_dir } => write!(
                f,
                "this host is a member of cluster {cluster} already ({})",
                data_dir.display()
            ),
            Self::Credentials(error) => error.fmt(f),
            Self::Directories(error) => write!(f, "{error}: {}", error.source),
            Self::Origins(why) => write!(f, "cluster.url_allow: {why}"),
            Self::Refused(refusal) => write!(f, "the cluster refused: {refusal}"),
            Self::Unreachable(reason) => write!(f, "{reason}; nothing is lost, try again"),
        }
    }
}

impl std::error::Error for Error {}

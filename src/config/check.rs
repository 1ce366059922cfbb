//! What a well-formed configuration may not say. Every problem is found, not the first only.

use std::fmt;
use std::net::SocketAddr;

use super::Config;
use super::database::Adapter;
use crate::base::duration::Millis;
use crate::plans::origins::Origins;

/// The grace must outlast what is no loss of quorum but an election: three times its worst.
const GRACE_IN_WORST_ELECTIONS: u64 = 3;
/// A follower's lease and a random timeout, each at most the longest timeout; the votes take far less.
const WORST_ELECTION_IN_TIMEOUTS: u64 = 2;

/// A key, and why its value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: &'static str,
    pub why: String,
}

pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    listeners(config, &mut problems);
    timing(config, &mut problems);
    database(config, &mut problems);
    if let Err(refused) = Origins::parse(&config.cluster.url_allow) {
        problems.push(Problem::new(
            "cluster.url_allow",
            format!("`{}` cannot be used {}", refused.url, refused.why),
        ));
    }
    if config.cluster.max_voters == 0 || config.cluster.max_voters.is_multiple_of(2) {
        problems.push(Problem::new(
            "cluster.max_voters",
            "must be odd: an even number of voters survives no more losses than one less",
        ));
    }
    problems
}

fn listeners(config: &Config, problems: &mut Vec<Problem>) {
    let listen = &config.listen;
    let plain = config.tls.is_none() && !listen.insecure_plaintext;
    if plain && !listen.api.ip().is_loopback() {
        problems.push(Problem::new(
            "listen.api",
            format!(
                "{} is beyond loopback and there is no [tls]; give certificate and key, or accept \
                 readable tokens with insecure_plaintext",
                listen.api
            ),
        ));
    }
    let all: [(&'static str, SocketAddr); 4] = [
        ("listen.api", listen.api),
        ("listen.members", listen.members),
        ("listen.probes", listen.probes),
        ("listen.agent_check", listen.agent_check),
    ];
    for (at, (key, address)) in all.iter().enumerate() {
        let taken = all[..at].iter().find(|(_, other)| other == address);
        if let Some((other, _)) = taken.filter(|_| address.port() != 0) {
            problems.push(Problem::new(key, format!("{address} is also {other}")));
        }
    }
    let advertised = listen.members_advertised.is_some();
    if listen.members.ip().is_unspecified() && !advertised {
        problems.push(Problem::new(
            "listen.members_advertised",
            format!(
                "{} tells nobody where to go; name the address others use",
                listen.members
            ),
        ));
    }
}

fn timing(config: &Config, problems: &mut Vec<Problem>) {
    let (heartbeat, min, max) = config.raft.timing();
    if !(heartbeat.0 > 0 && heartbeat.0 * 2 <= min.0 && min < max) {
        problems.push(Problem::new(
            "raft",
            format!(
                "heartbeat {heartbeat}, election {min} to {max}: the shortest election must be at \
                 least two heartbeats, and below the longest"
            ),
        ));
    }
    let least = Millis(max.0 * WORST_ELECTION_IN_TIMEOUTS * GRACE_IN_WORST_ELECTIONS);
    if config.cluster.quorum_loss_grace < least {
        problems.push(Problem::new(
            "cluster.quorum_loss_grace",
            format!(
                "{} is below {least}, three times the worst election; a mere change of leader would \
                 roll the cluster back",
                config.cluster.quorum_loss_grace
            ),
        ));
    }
    for (key, value) in [
        ("timeouts.read", config.timeouts.read),
        ("timeouts.write", config.timeouts.write),
    ] {
        if value.0 < 100 {
            problems.push(Problem::new(
                key,
                format!("{value} is shorter than a slow disk's commit"),
            ));
        }
    }
}

fn database(config: &Config, problems: &mut Vec<Problem>) {
    let database = &config.database;
    let address = url::Url::parse(&database.address).ok();
    let usable = address.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.port_or_known_default().is_some()
    });
    if !usable {
        problems.push(Problem::new(
            "database.address",
            format!("`{}` is not of the form http://host:port", database.address),
        ));
    }
    for (key, path) in [
        ("database.install_path", &database.install_path),
        ("node.data_dir", &config.node.data_dir),
        ("node.control_socket", &config.node.control_socket),
        ("database.log", &database.log),
    ] {
        if !path.is_absolute() {
            problems.push(Problem::new(
                key,
                format!("{} is not absolute", path.display()),
            ));
        }
    }
    match (database.adapter, &database.http) {
        (Adapter::Http, None) => problems.push(Problem::new(
            "database.http",
            "the adapter `http` needs at least health.url",
        )),
        (Adapter::Aegis, Some(_)) => problems.push(Problem::new(
            "database.http",
            "belongs to the adapter `http`; this one is `aegis`",
        )),
        _ => {}
    }
}

impl Problem {
    fn new(key: &'static str, why: impl Into<String>) -> Self {
        Self {
            key,
            why: why.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

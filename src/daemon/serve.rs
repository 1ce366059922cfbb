//! The daemon's life: stores, member, host and listeners are opened in order, run until a signal or a
//! failure, and are closed in the opposite order. The database runs on whatever happens here.

use std::future::pending;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aegis_updates_raft::application::Node as Seat;
use aegis_updates_raft::fatal::Fatal;
use aegis_updates_raft::ground::TcpListener;
use aegis_updates_raft::member::{self, Member, Peers, Timing};
use aegis_updates_raft::pki::{Authority, Credentials};
use aegis_updates_raft::store::{self, HostClock, Presence, Store, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::beside;
use super::error::{EXIT_STORAGE, Error};
use super::faces::{self, Listeners};
use super::form::{self, fingerprint};
use super::host;
use super::identity::Identity;
use super::places::Places;
use super::worker;
use crate::access::secret::JoinTicket;
use crate::agent::adapter::Adapter;
use crate::agent::executor;
use crate::agent::link::Link;
use crate::agent::readiness::{State, Switch};
use crate::agent::{ledger_file, marker};
use crate::config::Config;
use crate::control::evidence::Evidence;
use crate::control::machine::{Machine, Published};
use crate::control::own_host::OwnHost;
use crate::control::peers::server::{Slot, handler};
use crate::control::replica::{Replica, Timeouts};
use crate::control::service;
use crate::control::station::{self, Station};
use crate::control::{reconciler, term};
use crate::machine::command::Command;

/// A failed store ends the process even when something else hangs.
const FATAL_PATIENCE: Duration = Duration::from_secs(5);

/// A single voter elects itself within a few of these.
const FORM_AGAIN: Duration = Duration::from_millis(50);
/// What answers in flight get when the daemon ends.
const ANSWERS_MAX: Duration = Duration::from_secs(3);

/// How a daemon is started, beside its configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// Given on to `run-database`, which reads the same file.
    pub config_path: std::path::PathBuf,
    /// Used while this host belongs to no cluster; afterwards it says nothing new.
    pub join: Option<JoinTicket>,
}

/// Serves until SIGTERM or SIGINT. Everything opened is closed again when it returns.
pub async fn serve(config: Config, options: Options) -> Result<(), Error> {
    let places = Places::of(&config);
    places.create().map_err(Error::Files)?;
    let mut identity = identity(&config, &options).await?;
    marker::claim(&config.database.install_path, &identity.cluster).map_err(Error::Marker)?;
    let adapter = host::adapter(&config).map_err(Error::Host)?;
    let ledger = ledger_file::LedgerFile::new(&places.ledger, &places.resident);
    let ledger_then = ledger.load(&config.node.name).map_err(Error::Ledger)?;
    let listeners = Listeners::bind(&config).await?;
    // What the ledger says last, until the database was looked at: a restart changes nothing.
    let switch = match ledger_then.ready {
        true => Switch::new(State::Ready, "as before this daemon started"),
        false => Switch::new(State::Drained, "the node is in hand"),
    };

    let (fatal, mut died) = fatal();
    let began = begin(&config, &places, &identity, &switch, fatal).await?;
    let (stop, stopped) = watch::channel(false);
    let mut work = JoinSet::new();
    let mut answering = JoinSet::new();
    let ending = CancellationToken::new();
    run_control(&mut work, &began, adapter.clone(), &stopped);
    faces::serve(
        &mut answering,
        listeners,
        began.station.clone(),
        &switch,
        &ending,
    );

    let link: Arc<dyn Link> = Arc::new(OwnHost {
        station: began.station.clone(),
        node: config.node.name.clone(),
    });
    let hand = worker::Worker {
        config: &config,
        config_path: &options.config_path,
        places: &places,
        adapter,
        link,
        switch,
        ledger,
        host: ledger_then,
    };
    let outcome = tokio::select! {
        reason = died.recv() => Err(Error::Fatal(reason.unwrap_or_default())),
        failed = hand.run(stopped.clone()) => failed,
        settled = settle(&config, &began.replica, &mut identity) => settled,
        () = signalled() => Ok(()),
    };
    // In this order: no new requests, no new decisions, then the member with its lead and its store.
    ending.cancel();
    let answered = async { while answering.join_next().await.is_some() {} };
    if timeout(ANSWERS_MAX, answered).await.is_err() {
        tracing::warn!("some requests were not answered in time");
    }
    // Nobody listens any more when all has ended already.
    let _ = stop.send(true);
    began.replica.member().shutdown().await;
    work.shutdown().await;
    outcome
}

/// Who this host is; where it is nobody yet, it joins with its ticket.
async fn identity(config: &Config, options: &Options) -> Result<Identity, Error> {
    let known =
        Identity::load(&config.node.data_dir, &config.node.name).map_err(Error::Identity)?;
    match (known, &options.join) {
        (Some(identity), _) => Ok(identity),
        (None, Some(ticket)) => form::join(config, ticket).await.map_err(Error::Form),
        (None, None) => Err(Error::NoCluster),
    }
}

/// The member that runs, and what stands on it.
struct Began {
    replica: Replica,
    evidence: Arc<Evidence>,
    station: Arc<Station>,
}

async fn begin(
    config: &Config,
    places: &Places,
    identity: &Identity,
    switch: &Switch,
    fatal: Fatal,
) -> Result<Began, Error> {
    let credentials = Credentials::load(&places.tls)
        .map_err(Error::Credentials)?
        .ok_or(Error::NoCredentials)?;
    let authority = Authority::load(&places.tls).map_err(Error::Credentials)?;
    let ca_fingerprint = fingerprint(&credentials.authority_pem).map_err(Error::Form)?;
    let slot: Slot = Arc::new(OnceLock::new());
    let (member, published) =
        start_member(config, places, identity, credentials, fatal, &slot).await?;
    let evidence = Arc::new(Evidence::default());
    let clock: Arc<dyn HostClock> = Arc::new(SystemClock::new().map_err(Error::Clock)?);
    let timeouts = Timeouts {
        write: config.timeouts.write.as_duration(),
        read: config.timeouts.read.as_duration(),
    };
    let replica = Replica::new(member, published, evidence.clone(), clock, timeouts);
    let who = service::Identity {
        cluster: identity.cluster.clone(),
        node: config.node.name.clone(),
        member: identity.member,
        ca_fingerprint,
        peer: config.listen.members_address(),
        insecure_plaintext: config.tls.is_none() && !config.listen.api.ip().is_loopback(),
    };
    let host = beside::Host {
        switch: switch.clone(),
        places: executor_places(config, places),
    };
    let station = Station::new(replica.clone(), who, authority, Arc::new(host));
    let station = Arc::new(station);
    // It was empty until here, and nobody else fills it.
    let _ = slot.set(station.clone());
    Ok(Began {
        replica,
        evidence,
        station,
    })
}

async fn start_member(
    config: &Config,
    places: &Places,
    identity: &Identity,
    credentials: Credentials,
    fatal: Fatal,
    slot: &Slot,
) -> Result<(Member, Arc<Published>), Error> {
    let owner = store::Identity {
        cluster: identity.cluster.clone(),
        member: identity.member.0,
        incarnation: identity.incarnation,
    };
    let presence = match identity.established {
        true => Presence::MustExist,
        false => Presence::MayBeNew,
    };
    let store = Store::open(&places.raft, owner, presence, fatal.clone()).map_err(Error::Store)?;
    let address = config.listen.members;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let (machine, published) = Machine::new(fatal);
    let known = published.clone();
    let peers = Peers {
        listener,
        credentials,
        handler: handler(slot.clone()),
        joining: Arc::new(move |id| {
            let state = known.state();
            state.nodes.values().any(|node| node.member.0 == id)
        }),
        anonymous_join: true,
        addresses: std::collections::BTreeMap::new(),
        faults: None,
    };
    let (heartbeat, min, max) = config.raft.timing();
    let settings = member::Settings {
        timing: Timing {
            heartbeat_ms: heartbeat.0,
            election_min_ms: min.0,
            election_max_ms: max.0,
        },
        images: image_policy(),
    };
    let member = Member::start(settings, store, machine, peers)
        .await
        .map_err(Error::Start)?;
    Ok((member, published))
}

fn image_policy() -> member::ImagePolicy {
    let policy = member::ImagePolicy::default();
    #[cfg(feature = "sabotage")]
    if let Some(entries) = crate::base::sabotage::image_every() {
        let keep = entries / 4;
        return member::ImagePolicy {
            entries,
            keep,
            ..policy
        };
    }
    policy
}

fn run_control(
    work: &mut JoinSet<()>,
    began: &Began,
    adapter: Arc<Adapter>,
    stopped: &watch::Receiver<bool>,
) {
    let (replica, evidence) = (&began.replica, &began.evidence);
    work.spawn(reconciler::run(
        replica.clone(),
        evidence.clone(),
        stopped.clone(),
    ));
    work.spawn(reconciler::probe_silent(
        replica.clone(),
        evidence.clone(),
        beside::probe(adapter),
        stopped.clone(),
    ));
    work.spawn(term::tick(replica.clone(), stopped.clone()));
    work.spawn(station::keep(began.station.clone(), stopped.clone()));
}

/// Forms the cluster where that is still to be done, and notes when this member is part of it. Ends only
/// with a failure.
async fn settle(config: &Config, replica: &Replica, identity: &mut Identity) -> Result<(), Error> {
    let data_dir = &config.node.data_dir;
    if let Some(founder) = identity.founding.clone() {
        let seat = Seat {
            name: founder.node.to_string(),
            peer_addr: founder.peer.clone(),
        };
        // Formed before a crash is formed.
        if let Err(error) = replica.member().init(seat).await {
            tracing::debug!(%error, "consensus was begun before");
        }
        while replica.state().head.cluster.is_none() {
            let call = replica.own(Command::Form(founder.clone()));
            match replica.submit(call).await {
                Ok(written) => tracing::debug!(?written, "forming"),
                Err(lost) => tracing::debug!(%lost, "the cluster is not formed yet"),
            }
            sleep(FORM_AGAIN).await;
        }
        tracing::info!(cluster = identity.cluster, "the cluster is formed");
    }
    let mut progress = replica.member().watch();
    while !replica.consensus().nodes.contains_key(&identity.member.0) {
        if progress.changed().await.is_err() {
            let never: std::convert::Infallible = pending().await;
            match never {}
        }
    }
    if identity.founding.is_some() || !identity.established {
        identity.founding = None;
        identity.established = true;
        identity.save(data_dir).map_err(Error::Identity)?;
    }
    pending().await
}

/// A failed store says so here, and ends the process by itself when nobody acts on it.
fn fatal() -> (Fatal, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let fatal = Fatal::new(move |reason| {
        // The daemon may be ending already.
        let _ = tell.send(reason.to_owned());
        // A thread of its own: the runtime may be what hangs, and the failure may have met any thread.
        std::thread::spawn(|| {
            std::thread::park_timeout(FATAL_PATIENCE);
            std::process::exit(i32::from(EXIT_STORAGE));
        });
    });
    (fatal, told)
}

async fn signalled() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be heard; end this daemon with SIGKILL");
        return pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending; the database runs on");
}

pub(super) fn executor_places(config: &Config, places: &Places) -> executor::Places {
    executor::Places {
        install_path: config.database.install_path.clone(),
        artifacts: places.artifacts.clone(),
        backups: places.backups.clone(),
    }
}

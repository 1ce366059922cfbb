//! The world of one round: members on their seats, the network between them, the databases beneath, and who
//! watches. Forming, trouble and operators are elsewhere.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::control::reconciler::Probe;
use aegis_updates::control::service::Service;
use aegis_updates::control::station::Station;
use aegis_updates::machine::state::State;
use aegis_updates_raft::pki::Authority;
use tokio::time::timeout;

use super::daemon::Place;
use super::fleet::Fleet;
use super::history::History;
use super::host::{Behaviour, Release, Shelf};
use super::member::Life;
use super::met::Met;
use super::random::Random;
use super::setting::Setting;
use super::watched::Watch;
use super::weather::Weather;
use crate::support::{CLUSTER, eventually, wall_now};

/// Longer than any answer takes of a member that is not frozen.
pub const PATIENCE: Duration = Duration::from_secs(4);

pub struct World {
    pub setting: Setting,
    pub weather: Arc<Weather>,
    pub fleet: Arc<Fleet>,
    pub watch: Arc<Watch>,
    pub met: Arc<Met>,
    pub history: History,
    pub seats: Mutex<BTreeMap<NodeName, Seat>>,
    /// Daemons that ended because their disk stood still; whatever supervises them starts them again.
    pub fallen: Mutex<Vec<NodeName>>,
    random: Mutex<Random>,
    pub authority: Authority,
    numbers: AtomicU64,
}

/// Where a member sits; `life` is none while its daemon is dead.
pub struct Seat {
    pub place: Arc<Place>,
    pub life: Option<Life>,
    /// Somebody kills or freezes it now.
    pub in_trouble: bool,
}

impl World {
    pub async fn form(seed: u64, setting: Setting, met: Arc<Met>) -> Arc<Self> {
        let mut random = Random::new(seed);
        let old = Digest::of(b"1.0.0");
        let release = Release {
            binary: aegis_updates::plans::spec::Binary {
                version: "1.0.0".to_owned(),
                digest: old,
            },
            usual: Behaviour::Good,
            on: BTreeMap::new(),
        };
        let allowed = setting.strategy.max_unavailable as usize;
        let fleet = Arc::new(Fleet::new(Shelf::from([(old, release)]), old, allowed));
        let world = Arc::new(Self {
            weather: Arc::new(Weather::new(random.split(), met.clone())),
            watch: Arc::new(Watch::new(fleet.clone(), met.clone())),
            fleet,
            met,
            history: History::default(),
            seats: Mutex::default(),
            fallen: Mutex::default(),
            random: Mutex::new(random),
            authority: Authority::create(CLUSTER, wall_now()).unwrap(),
            numbers: AtomicU64::new(1),
            setting,
        });
        world.clone().found().await;
        for _ in 1..world.setting.members {
            world.clone().join().await;
        }
        let members = world.setting.members;
        eventually("all vote", async || {
            let seats = world.seats.lock().unwrap();
            seats
                .values()
                .filter_map(|seat| seat.life.as_ref())
                .all(|life| {
                    let seen = life.station.consensus();
                    seen.voters.len() == members && !seen.changing
                })
        })
        .await;
        world
    }

    pub fn random(&self) -> Random {
        self.random.lock().unwrap().split()
    }

    /// A number that is given once in a round.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Some member, if any can be, one that lives.
    pub fn any(&self) -> NodeName {
        let seats = self.seats.lock().unwrap();
        let living = seats.iter().filter(|(_, seat)| seat.life.is_some());
        let mut names: Vec<NodeName> = living.map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            names.extend(seats.keys().cloned());
        }
        drop(seats);
        let mut random = self.random.lock().unwrap();
        random.pick(&names).cloned().expect("somebody sits here")
    }

    /// Asks a member as a client does: there, and for as long as one waits for an answer. `None`: it is dead,
    /// died meanwhile, or does not answer; what was asked may still come to pass.
    pub async fn on<T: Send + 'static, F>(
        &self,
        name: &NodeName,
        ask: impl FnOnce(Arc<Station>) -> F,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.on_within(PATIENCE, name, ask).await
    }

    pub async fn on_within<T: Send + 'static, F>(
        &self,
        within: Duration,
        name: &NodeName,
        ask: impl FnOnce(Arc<Station>) -> F,
    ) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let asked = {
            let seats = self.seats.lock().unwrap();
            let life = seats.get(name)?.life.as_ref()?;
            life.handle().spawn(ask(life.station.clone()))
        };
        timeout(within, asked).await.ok()?.ok()
    }

    /// The applied state of every member that lives.
    pub fn states(&self) -> Vec<(MemberId, Arc<State>)> {
        let seats = self.seats.lock().unwrap();
        let lives = seats.values().filter_map(|seat| {
            let life = seat.life.as_ref()?;
            Some((seat.place.id, life.published.state()))
        });
        lives.collect()
    }

    /// What each member says of the group, for people.
    pub fn told(&self) -> String {
        let seats = self.seats.lock().unwrap();
        let told = seats.values().filter_map(|seat| {
            let view = seat.life.as_ref()?.station.replica().consensus();
            Some(format!("{}: {view:?}", seat.place.id))
        });
        told.collect::<Vec<_>>().join("\n")
    }

    pub fn probe(&self) -> Probe {
        let fleet = self.fleet.clone();
        Arc::new(move |address| {
            let serves = fleet.with(|hosts| {
                let now = aegis_updates::agent::boot::now_ms();
                let mut all = hosts.all.iter();
                all.any(|(name, one)| {
                    address == format!("http://{name}:1") && one.host.is_healthy(now)
                })
            });
            Box::pin(async move { serves })
        })
    }
}

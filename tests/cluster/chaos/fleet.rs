//! The databases: a model of each host, in real time, shared by all daemons. They run on whatever becomes of
//! the daemons; a parent beside each restarts what dies. What really happened is judged here (I2, I5, I7, I8).

use std::collections::BTreeMap;
use std::sync::Mutex;

use aegis_updates::agent::boot::now_ms;
use aegis_updates::agent::machine::{Act, Ledger, Process as Seen};
use aegis_updates::agent::readiness::{State, Switch};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{Generation, NodeName};
use aegis_updates::fleet::observation::Database;

use super::checks::{i02, i05, i07, i08};
use super::host::{Host, Shelf};

/// The parent waits this long before it starts a database again that ended by itself.
const BACKOFF_MS: u64 = 300;
/// How often a database tells the others that it is there.
const HEARTBEAT_MS: u64 = 100;

pub struct Fleet(pub Mutex<Hosts>);

pub struct Hosts {
    pub shelf: Shelf,
    pub old: Digest,
    pub all: BTreeMap<NodeName, One>,
    /// The strategy's `max_unavailable`, which all plans of a round share.
    pub allowed: usize,
    pub origin_down_until_ms: u64,
    pub wrong: Vec<String>,
}

pub struct One {
    pub host: Host,
    switch: Option<Switch>,
    pub ends_at_ms: Option<u64>,
    restart_at_ms: Option<u64>,
    alive_ms: u64,
    healthy_at_last_look: bool,
    /// And it was at the last look before the act that now runs was begun: that one the act rests on.
    healthy_when_told: bool,
    down_by_plan: bool,
    acting: Option<u64>,
    newest_acting: Generation,
    /// What its ledger said last: its newest generation, and whether it acts alone.
    ledger: (Generation, bool),
    swaps: BTreeMap<(Generation, Digest), u32>,
    stops: BTreeMap<Generation, u32>,
    /// Removed from the cluster: no longer anybody's to count.
    gone: bool,
}

impl Fleet {
    pub fn new(shelf: Shelf, old: Digest, allowed: usize) -> Self {
        Self(Mutex::new(Hosts {
            shelf,
            old,
            all: BTreeMap::new(),
            allowed,
            origin_down_until_ms: 0,
            wrong: Vec::new(),
        }))
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Hosts) -> T) -> T {
        let mut hosts = self.0.lock().unwrap();
        hosts.beat();
        look(&mut hosts)
    }
}

impl Hosts {
    /// A host with its database running.
    pub fn add(&mut self, name: &NodeName, number: usize) {
        let one = One {
            host: Host::new(number, self.old),
            switch: None,
            ends_at_ms: None,
            restart_at_ms: None,
            alive_ms: 0,
            healthy_at_last_look: false,
            healthy_when_told: false,
            down_by_plan: false,
            acting: None,
            newest_acting: Generation::default(),
            ledger: Default::default(),
            swaps: BTreeMap::new(),
            stops: BTreeMap::new(),
            gone: false,
        };
        self.all.insert(name.clone(), one);
        self.start(name);
    }

    pub fn one(&mut self, name: &NodeName) -> &mut One {
        self.all.get_mut(name).expect("a daemon has a host")
    }

    pub fn attach(&mut self, name: &NodeName, switch: Switch) {
        let one = self.one(name);
        one.switch = Some(switch);
        one.acting = None;
    }

    pub fn removed(&mut self, name: &NodeName) {
        if let Some(one) = self.all.get_mut(name) {
            one.gone = true;
            one.down_by_plan = false;
        }
    }

    /// Time passes for every database, and what can be seen from outside is looked at.
    pub fn beat(&mut self) {
        let now = now_ms();
        let due: Vec<NodeName> = self
            .all
            .iter_mut()
            .filter_map(|(name, one)| one.is_due(now).then(|| name.clone()))
            .collect();
        for name in due {
            self.start(&name);
        }
        let mut turned = Vec::new();
        for (name, one) in &mut self.all {
            if one.host.is_healthy(now) {
                one.alive_ms = now;
            }
            let Some(switch) = &one.switch else { continue };
            let said = switch.now();
            let ready = said.state == State::Ready;
            if one.host.ready && !ready && said.reason == "the node is in hand" {
                turned.push(name.clone());
            }
            one.host.ready = ready;
            if one.host.serves(now) {
                one.down_by_plan = false;
            }
        }
        for name in turned {
            let served = self.one(&name).healthy_at_last_look;
            self.taken_away(&name, served);
        }
    }

    /// The act that its daemon runs takes a database from traffic.
    pub fn taken_away_by_act(&mut self, name: &NodeName) {
        let served = self.one(name).healthy_when_told;
        self.taken_away(name, served);
    }

    fn taken_away(&mut self, name: &NodeName, served: bool) {
        let one = self.one(name);
        if served && !one.gone {
            one.down_by_plan = true;
        }
        let down = self.all.iter().filter(|(_, one)| one.down_by_plan);
        let down: Vec<&str> = down.map(|(name, _)| name.as_str()).collect();
        if let Err(detail) = i02::judge_names(&down, self.allowed) {
            self.wrong.push(format!("I2: {detail}"));
        }
    }

    pub fn start(&mut self, name: &NodeName) {
        let shelf = self.shelf.clone();
        let old = self.old;
        let one = self.one(name);
        one.restart_at_ms = None;
        let Some(process) = one.host.start(&shelf, now_ms()) else {
            return;
        };
        let digest = process.digest;
        one.ends_at_ms = process.dies_at_ms();
        let judged = i05::judge(digest, old, &one.host.staged, &one.host.backups);
        self.judged("I5", name, judged);
    }

    pub fn judged(&mut self, invariant: &str, name: &NodeName, judged: Result<(), String>) {
        if let Err(detail) = judged {
            self.wrong.push(format!("{invariant}: {name}: {detail}"));
        }
    }

    pub fn kept(&mut self, name: &NodeName, ledger: &Ledger) {
        self.one(name).ledger = (ledger.newest, ledger.alone.is_some());
    }

    pub fn act_starts(&mut self, name: &NodeName, number: u64, act: &Act) {
        let one = self.one(name);
        let (generation, _) = one.ledger;
        let judged = i07::judge(generation, one.newest_acting, one.acting);
        one.newest_acting = one.newest_acting.max(generation);
        one.acting = Some(number);
        one.healthy_when_told = one.healthy_at_last_look;
        let judged = judged.map_err(|detail| format!("{detail} ({})", act.name()));
        self.judged("I7", name, judged);
    }

    pub fn act_ends(&mut self, name: &NodeName, number: u64) {
        let one = self.one(name);
        one.acting = one.acting.filter(|acting| *acting != number);
    }

    /// A rename with effect.
    pub fn swapped(&mut self, name: &NodeName, to: Digest) {
        let one = self.one(name);
        let (generation, alone) = one.ledger;
        let times = one.swaps.entry((generation, to)).or_default();
        *times += 1;
        let judged = i08::judge("swap", *times, 1, alone);
        self.judged("I8", name, judged);
    }

    /// A stop of a living process; the strategy allows one retry of a restart.
    pub fn stopped(&mut self, name: &NodeName) {
        let one = self.one(name);
        let (generation, alone) = one.ledger;
        let times = one.stops.entry(generation).or_default();
        *times += 1;
        let judged = i08::judge("stop", *times, 2, alone);
        self.judged("I8", name, judged);
    }

    pub fn looked(&mut self, name: &NodeName) -> (Database, Option<Seen>) {
        let now = now_ms();
        let one = self.one(name);
        let host = &one.host;
        let process = host.process.as_ref();
        let healthy = host.is_healthy(now);
        let database = Database {
            digest: process.map(|process| process.digest),
            installed: host.installed,
            version: process
                .filter(|_| healthy)
                .map(super::host::Process::says_version),
            healthy,
            drained: host.drained,
        };
        let seen = process.map(|process| Seen {
            pid: u32::try_from(process.run).unwrap_or(u32::MAX),
            started: process.started_ms,
            kept: true,
        });
        one.healthy_at_last_look = healthy;
        (database, seen)
    }

    /// Other healthy databases, with when they last heard this one.
    pub fn peers_of(&self, name: &NodeName) -> BTreeMap<String, Option<u64>> {
        let now = now_ms();
        let heard = self.all.get(name).map_or(0, |one| one.alive_ms) / HEARTBEAT_MS * HEARTBEAT_MS;
        let others = self
            .all
            .iter()
            .filter(|(other, one)| *other != name && !one.gone && one.host.is_healthy(now));
        others
            .map(|(other, _)| (other.to_string(), Some(heard)))
            .collect()
    }

    /// Left in the cluster, healthy, and still kept from traffic.
    pub fn left_out(&self) -> Option<String> {
        let now = now_ms();
        let mut here = self.all.iter().filter(|(_, one)| !one.gone);
        here.find_map(|(name, one)| {
            let host = &one.host;
            let kept_away = host.drained || !host.ready;
            (kept_away && host.is_healthy(now)).then(|| {
                let (drained, ready) = (host.drained, host.ready);
                format!("{name} is left drained={drained} ready={ready}")
            })
        })
    }
}

impl One {
    /// Its process ends when its time has come; true when the parent is to start it now.
    fn is_due(&mut self, now: u64) -> bool {
        if self.ends_at_ms.is_some_and(|at| at <= now) {
            self.ends_at_ms = None;
            self.host.process = None;
            self.restart_at_ms = Some(now + BACKOFF_MS);
        }
        let wanted = self.host.kept_running && self.host.process.is_none();
        wanted && self.restart_at_ms.is_some_and(|at| at <= now)
    }
}

//! A model of everything around one machine: runs its actions at once, keeps what must survive a crash, and
//! checks on every turn what the driver relies on.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::machine::{
    Act, Action, Applied, Done, Failure, FailureKind, Gave, Host, Input, Ledger, Look, Now,
    Process, advance,
};
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::ids::{Generation, PlanId};
use crate::fleet::intent::{Begin, Goal, Intent, Which};
use crate::fleet::node::Answered;
use crate::fleet::observation::{Answer, Database, Notice, Observation, Report};
use crate::plans::progress::Step;
use crate::plans::spec::Binary;
use crate::plans::strategy::Deadlines;

pub fn binary(version: &str) -> Binary {
    Binary {
        version: version.to_owned(),
        digest: Digest::of(version.as_bytes()),
    }
}

pub fn old() -> Binary {
    binary("1.0.0")
}

pub fn new() -> Binary {
    binary("1.1.0")
}

pub fn update() -> Goal {
    Goal::Update {
        target: new(),
        rollback_target: old(),
    }
}

pub fn stage(url: Option<&str>) -> Goal {
    Goal::Stage {
        target: new(),
        url: url.map(str::to_owned),
        allow_drift: false,
    }
}

pub fn rollback(marked: bool) -> Goal {
    Goal::Rollback {
        target: old(),
        marked,
    }
}

/// When a daemon dies at an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dies {
    Before,
    After,
}

pub struct Rig {
    pub host: Host,
    disk: Ledger,
    pub now: Now,
    pub applied: Applied,
    pub contact: bool,
    /// The leader's gates are open for these begins.
    pub grants: BTreeSet<Which>,
    /// No leader answers these begins.
    pub unanswered: Option<Which>,
    pub running: Option<Digest>,
    pub installed: Digest,
    pub beside: Option<Digest>,
    pub pid: u32,
    pub sick: BTreeSet<Digest>,
    pub ready: bool,
    pub drained: bool,
    pub peers: BTreeMap<String, Option<u64>>,
    /// Peers do not see this node any more.
    pub unseen: bool,
    /// The next failures of an act, by name.
    pub failures: Vec<(&'static str, Failure)>,
    pub dies: Option<(&'static str, Dies)>,
    /// Every binary becomes healthy when this act is done.
    pub heals_at: Option<&'static str>,
    /// The supervisor starts what is installed just before this act, once.
    pub revives_before: Option<&'static str>,
    /// An act that does not end, by name; then the one that has not ended.
    held_name: Option<&'static str>,
    held: Option<(u64, Act)>,
    /// The database is kept by our own supervisor.
    pub kept: bool,
    pub freeze_ms_before: Option<(&'static str, u64)>,
    pub acts: Vec<&'static str>,
    pub reports: Vec<Report>,
    pub starts: u32,
    pub asked: Vec<Begin>,
    /// Every report that was proposed, by its number, and when.
    pub proposed: Vec<(u64, u64)>,
    /// Acts that were told to end.
    pub cancelled: Vec<u64>,
}

impl Rig {
    pub fn new() -> Self {
        let ledger = Ledger::new("node-1".parse().expect("a good name"));
        let mut rig = Self {
            host: Host::new(ledger.clone()),
            disk: ledger,
            now: Now {
                boot: Digest::of(b"boot"),
                ms: 1_000_000,
            },
            applied: Applied {
                generation: Generation::default(),
                intent: None,
                live: true,
                open: Vec::new(),
                answered: None,
                sequence: 0,
            },
            contact: true,
            grants: BTreeSet::from([Which::First, Which::Second]),
            unanswered: None,
            running: Some(old().digest),
            installed: old().digest,
            beside: None,
            pid: 1,
            sick: BTreeSet::new(),
            ready: true,
            drained: false,
            peers: BTreeMap::from([("node-2".to_owned(), Some(0))]),
            unseen: false,
            failures: Vec::new(),
            dies: None,
            heals_at: None,
            revives_before: None,
            held_name: None,
            held: None,
            kept: true,
            freeze_ms_before: None,
            acts: Vec::new(),
            reports: Vec::new(),
            starts: 0,
            asked: Vec::new(),
            proposed: Vec::new(),
            cancelled: Vec::new(),
        };
        rig.tell(Input::Restarted);
        rig.pass(1_000);
        rig
    }

    pub fn deadlines() -> Deadlines {
        Deadlines {
            drain_grace: Millis(1_000),
            ready_settle: Millis(500),
            soak: Millis(2_000),
            verify: Millis(10_000),
            start: Millis(5_000),
            rejoin: Millis(10_000),
            health_grace: Millis(3_000),
            ..Deadlines::default()
        }
    }

    /// A new generation is applied on this member.
    pub fn intend(&mut self, goal: Goal) {
        self.give(goal);
        self.tell(Input::Applied(self.applied.clone()));
    }

    /// A new generation is in the log, and this member has not applied it yet.
    pub fn give(&mut self, goal: Goal) {
        self.applied.generation = self.applied.generation.next();
        self.applied.answered = None;
        self.applied.open.clear();
        self.applied.intent = Some(Intent {
            generation: self.applied.generation,
            plan: PlanId(1),
            goal,
            deadlines: Self::deadlines(),
            taken: None,
        });
    }

    pub fn look(&self) -> Look {
        let digest = self.running;
        let healthy = digest.is_some_and(|digest| !self.sick.contains(&digest));
        let version = [old(), new()]
            .into_iter()
            .find(|binary| Some(binary.digest) == digest)
            .map(|binary| binary.version);
        Look {
            at_ms: self.now.ms,
            database: Database {
                digest,
                installed: Some(self.installed),
                version: version.filter(|_| healthy),
                healthy,
                drained: self.drained,
            },
            process: digest.map(|_| Process {
                pid: self.pid,
                started: u64::from(self.pid),
                kept: self.kept,
            }),
            detail: None,
        }
    }

    /// Time passes, with everything a driver says while it does.
    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(250) {
            self.now.ms += 250;
            for seen in self.peers.values_mut().flatten() {
                *seen += u64::from(self.running.is_some() && !self.unseen);
            }
            if self.contact {
                let at_ms = self.now.ms;
                self.tell(Input::Contact { at_ms });
            }
            self.tell(Input::Applied(self.applied.clone()));
            self.tell(Input::Look(self.look()));
            self.tell(Input::Tick);
        }
    }

    /// Until the newest generation is answered.
    pub fn finish(&mut self) -> Answer {
        for _ in 0..2_000 {
            if let Some(answered) = &self.applied.answered {
                return answered.answer.clone();
            }
            self.pass(250);
        }
        panic!("no answer: {:?}", self.host);
    }

    pub fn acted(&self) -> bool {
        self.applied
            .answered
            .as_ref()
            .is_some_and(|answered| answered.acted)
    }

    /// The daemon is killed and started again; only its disk is left.
    pub fn crash(&mut self) {
        let text = serde_json::to_string(&self.disk).expect("a ledger is written");
        self.host = Host::new(serde_json::from_str(&text).expect("a ledger is read"));
        self.tell(Input::Restarted);
    }

    pub fn tell(&mut self, input: Input) {
        let before = self.host.ledger.clone();
        let actions = advance(&mut self.host, input, self.now);
        let persists = actions
            .iter()
            .filter(|action| **action == Action::Persist)
            .count();
        assert_eq!(
            persists,
            usize::from(self.host.ledger != before),
            "a changed ledger is written, once, and an unchanged one is not"
        );
        assert!(persists == 0 || actions.first() == Some(&Action::Persist));
        for action in actions {
            match action {
                Action::Persist => self.disk = self.host.ledger.clone(),
                Action::SetReady(ready) => self.ready = ready,
                Action::Look => {
                    self.now.ms += 1;
                    self.tell(Input::Look(self.look()));
                }
                Action::Propose(observation) => self.apply(observation),
                Action::Ask(begin) => self.begin(begin),
                Action::Cancel { id } => self.cancelled.push(id),
                Action::Run { id, act } => {
                    if !self.execute(id, act) {
                        return;
                    }
                }
            }
        }
    }

    fn apply(&mut self, observation: Observation) {
        self.proposed.push((observation.sequence, self.now.ms));
        let reachable = self.contact && observation.sequence > self.applied.sequence;
        if !reachable || observation.generation != self.applied.generation {
            return;
        }
        self.applied.sequence = observation.sequence;
        if let Report::Answered { answer, acted } = &observation.report {
            assert!(self.ready || *acted, "every way out makes it ready first");
            self.applied.open.clear();
            self.applied.answered = Some(Answered {
                answer: answer.clone(),
                acted: *acted,
            });
        }
        self.reports.push(observation.report);
    }

    fn begin(&mut self, begin: Begin) {
        self.asked.push(begin.clone());
        if !self.contact || self.unanswered == Some(begin.which) {
            return;
        }
        if self.grants.contains(&begin.which) && begin.generation == self.applied.generation {
            self.applied.open.push(begin);
            self.tell(Input::Applied(self.applied.clone()));
        } else {
            let reason = "gates are shut".to_owned();
            self.tell(Input::BeginRefused { begin, reason });
        }
    }

    /// False when the daemon died of it.
    fn execute(&mut self, id: u64, act: Act) -> bool {
        let name = act.name();
        if self.dies == Some((name, Dies::Before)) {
            self.dies = None;
            self.crash();
            return false;
        }
        if let Some((_, ms)) = self.freeze_ms_before.take_if(|(at, _)| *at == name) {
            self.now.ms += ms;
        }
        self.acts.push(name);
        if self.held_name == Some(name) {
            self.held_name = None;
            self.held = Some((id, act));
            return true;
        }
        if self.heals_at == Some(name) {
            self.sick.clear();
        }
        if self.revives_before.take_if(|at| *at == name).is_some() {
            self.running.get_or_insert(self.installed);
        }
        let planned = self.failures.iter().position(|(at, _)| *at == name);
        let result = match planned {
            Some(at) => Err(self.failures.remove(at).1),
            None => self.effect(act),
        };
        if self.dies == Some((name, Dies::After)) {
            self.dies = None;
            self.crash();
            return false;
        }
        self.now.ms += 5;
        self.tell(Input::Done(Done { id, result }));
        true
    }

    /// The next act like this one does not end until it is released.
    pub fn hold(&mut self, name: &'static str) {
        self.held_name = Some(name);
    }

    pub fn release(&mut self) {
        if let Some((id, act)) = self.held.take() {
            let result = self.effect(act);
            self.tell(Input::Done(Done { id, result }));
        }
    }

    fn effect(&mut self, act: Act) -> Result<Gave, Failure> {
        match act {
            Act::Drain { .. } => {
                assert!(!self.ready, "readiness is off before the drain");
                self.drained = true;
            }
            Act::Undrain => self.drained = false,
            Act::Prepare { digest, .. } => self.beside = Some(digest),
            Act::RemovePrepared => self.beside = None,
            Act::Swap {
                digest,
                not_after_ms,
            } => {
                if not_after_ms.is_some_and(|end| self.now.ms > end) {
                    return Err(Failure::new(FailureKind::Lapsed, "too late"));
                }
                if self.installed != digest {
                    assert_eq!(self.beside, Some(digest), "what is renamed was prepared");
                }
                self.installed = digest;
                self.beside = None;
            }
            Act::Stop { .. } => {
                self.running = None;
                self.drained = false;
            }
            Act::Start { digest, .. } => {
                if self.running.is_none() {
                    self.pid += 1;
                    self.starts += 1;
                    self.running = Some(self.installed);
                }
                assert_eq!(self.running, Some(digest), "it starts what it says");
                let process = self.look().process.expect("it runs");
                return Ok(Gave::Started { process, digest });
            }
            Act::AskPeers { .. } => return Ok(Gave::Peers(self.peers.clone())),
            Act::Stage { .. }
            | Act::CheckBackup { .. }
            | Act::WaitDrained { .. }
            | Act::Flush { .. }
            | Act::BackUp { .. } => {}
        }
        Ok(Gave::Nothing)
    }

    pub fn entered(&self) -> Vec<Step> {
        let steps = self.reports.iter().filter_map(|report| match report {
            Report::Entered(step) => Some(*step),
            _ => None,
        });
        steps.collect()
    }

    pub fn notices(&self) -> Vec<&Notice> {
        let notices = self.reports.iter().filter_map(|report| match report {
            Report::Noticed(notice) if *notice != Notice::Changed => Some(notice),
            _ => None,
        });
        notices.collect()
    }

    /// Nothing is left of the work: undrained, ready, nothing beside the install path.
    pub fn assert_clean(&self) {
        assert_eq!(self.beside, None);
        assert!(self.ready && !self.drained, "it takes traffic");
        assert_eq!(self.running, Some(self.installed));
    }
}

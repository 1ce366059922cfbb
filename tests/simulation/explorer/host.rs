//! A host of the explorer's world: the driver of its machine, and what acts do. What nobody else can see is done
//! at once; what takes the database from its clients, or brings it back, is a move of its own.

use std::collections::BTreeMap;

use aegis_updates::agent::machine::{
    Act, Action, Applied, Done, Failure, FailureKind, Gave, Host as Machine, Input, Look, Now,
    Process, Source, advance,
};
use aegis_updates::base::digest::Digest;
use aegis_updates::fleet::observation::{Database, Report};

use super::small::{HOSTS, Letter, PLAN, Small, name, new};

/// More rounds than any sequence of reports and unseen acts needs.
const ROUNDS_MAX: u32 = 64;

impl Small {
    /// Drivers make their rounds until nothing comes of it, as they do many times a second; but the frozen one.
    pub fn rounds(&mut self, frozen: Option<usize>) {
        for seat in (0..HOSTS).filter(|seat| Some(*seat) != frozen) {
            for _ in 0..ROUNDS_MAX {
                if self.seats[seat].acting.is_some() || !self.round(seat) {
                    break;
                }
            }
        }
    }

    /// What the driver says again and again, once. True when something came of it.
    fn round(&mut self, seat: usize) -> bool {
        let ledger = self.seats[seat].machine.ledger.clone();
        let at_ms = self.now_ms;
        self.tell(seat, Input::Contact { at_ms });
        self.tell_applied(seat);
        let look = Look {
            at_ms,
            database: self.database(seat),
            process: self.seats[seat].runs.map(|_| self.process(seat)),
            detail: None,
        };
        self.tell(seat, Input::Look(look));
        self.deliver_unimportant(seat);
        let unseen = |(_, act): &mut (u64, Act)| !is_seen(act);
        if let Some((id, act)) = self.seats[seat].acting.take_if(unseen) {
            self.end_act(seat, id, &act);
        }
        self.seats[seat].machine.ledger != ledger
    }

    fn tell_applied(&mut self, seat: usize) {
        let state = &self.seats[seat].applied.state;
        let Some(node) = state.nodes.get(&name(seat)) else {
            return;
        };
        let live = state.live_plan().is_some();
        let applied = Applied::of(node, live);
        self.tell(seat, Input::Applied(applied));
    }

    /// A daemon starts with its ledger, and nothing else.
    pub fn wake(&mut self, seat: usize) {
        let ledger = self.seats[seat].machine.ledger.clone();
        self.seats[seat].machine = Machine::new(ledger);
        self.tell(seat, Input::Restarted);
        self.rounds(None);
    }

    pub fn tell(&mut self, seat: usize, input: Input) {
        let now = Now {
            boot: Digest::from_bytes([1; 32]),
            ms: self.now_ms,
        };
        for action in advance(&mut self.seats[seat].machine, input, now) {
            match action {
                Action::Persist | Action::Look | Action::Cancel { .. } => {}
                Action::SetReady(ready) => self.set_ready(seat, ready),
                Action::Propose(report) => self.post(seat, Letter::Report(report)),
                Action::Ask(begin) => self.post(seat, Letter::Begin(begin)),
                Action::Run { id, act } => self.seats[seat].acting = Some((id, act)),
            }
        }
    }

    /// A letter said again while it is under way is the same letter.
    fn post(&mut self, seat: usize, letter: Letter) {
        if !self.letters.contains(&(seat, letter.clone())) {
            self.letters.push((seat, letter));
        }
    }

    /// A report that decides nothing is delivered at once.
    fn deliver_unimportant(&mut self, seat: usize) {
        let staged = self
            .newest
            .state
            .plans
            .get(&PLAN)
            .is_some_and(|plan| plan.all_staged());
        let unimportant = |(from, letter): &(usize, Letter)| match letter {
            Letter::Report(seen) => {
                *from == seat && !(staged && matches!(seen.report, Report::Answered { .. }))
            }
            Letter::Begin(_) => false,
        };
        while let Some(at) = self.letters.iter().position(unimportant) {
            let (from, letter) = self.letters.remove(at);
            self.deliver(from, letter);
        }
    }

    fn set_ready(&mut self, seat: usize, ready: bool) {
        let host = &mut self.seats[seat];
        let served = host.ready && !host.drained;
        host.ready = ready;
        if served && !ready && self.is_healthy(seat) {
            self.seats[seat].down_by_plan = true;
        }
        self.served(seat);
    }

    fn served(&mut self, seat: usize) {
        let host = &self.seats[seat];
        if host.ready && !host.drained && self.is_healthy(seat) {
            self.seats[seat].down_by_plan = false;
        }
    }

    pub fn is_healthy(&self, seat: usize) -> bool {
        let runs = self.seats[seat].runs;
        runs.is_some() && !(self.setup.bad == Some(seat) && runs == Some(new()))
    }

    pub fn database(&self, seat: usize) -> Database {
        let host = &self.seats[seat];
        let version = |digest| if digest == new() { "2.0.0" } else { "1.0.0" };
        let healthy = self.is_healthy(seat);
        Database {
            digest: host.runs,
            installed: Some(host.installed),
            version: host
                .runs
                .filter(|_| healthy)
                .map(version)
                .map(str::to_owned),
            healthy,
            drained: host.drained,
        }
    }

    fn process(&self, seat: usize) -> Process {
        let run = self.seats[seat].run;
        Process {
            pid: run,
            started: u64::from(run),
            kept: true,
        }
    }

    pub fn act(&mut self, seat: usize) {
        if let Some((id, act)) = self.seats[seat].acting.take() {
            self.end_act(seat, id, &act);
        }
    }

    fn end_act(&mut self, seat: usize, id: u64, act: &Act) {
        let result = self.effect(seat, act);
        self.tell(seat, Input::Done(Done { id, result }));
    }

    pub fn effect(&mut self, seat: usize, act: &Act) -> Result<Gave, Failure> {
        let (heard, now_ms, process) = (self.peers(seat), self.now_ms, self.process(seat));
        let healthy = self.is_healthy(seat);
        let host = &mut self.seats[seat];
        let mut so = true;
        let mut gave = Gave::Nothing;
        match act {
            Act::WaitDrained { .. } | Act::Flush { .. } => {}
            Act::Stage { target, .. } => host.staged = Some(target.digest),
            Act::CheckBackup { digest } => so = host.kept == Some(*digest),
            Act::Drain { .. } => host.drained = true,
            Act::Undrain => host.drained = false,
            Act::BackUp { digest, .. } => {
                host.kept = host.kept.or(host.runs.filter(|runs| runs == digest));
                so = host.kept == Some(*digest);
            }
            Act::Prepare { digest, from, .. } => {
                let there = match from {
                    Source::Staged => host.staged,
                    Source::Backup => host.kept,
                    Source::Running => host.runs,
                };
                host.aside = there.filter(|there| there == digest);
                so = host.aside.is_some();
            }
            Act::RemovePrepared => host.aside = None,
            Act::Swap { digest, .. } if host.installed == *digest => {}
            Act::Swap { not_after_ms, .. } if not_after_ms.is_some_and(|limit| now_ms > limit) => {
                return Err(Failure::new(FailureKind::Lapsed, "too late"));
            }
            Act::Swap { digest, .. } => {
                so = host.aside.take_if(|aside| aside == digest).is_some();
                if so {
                    host.installed = *digest;
                }
            }
            Act::Stop { .. } => {
                host.down_by_plan |= healthy;
                host.runs = None;
            }
            Act::Start { digest, .. } => {
                if host.runs.is_none() {
                    host.runs = Some(host.installed);
                    host.run += 1;
                }
                so = host.runs == Some(*digest);
                let run = host.run;
                let process = Process {
                    pid: run,
                    started: u64::from(run),
                    ..process
                };
                let digest = *digest;
                gave = Gave::Started { process, digest };
            }
            Act::AskPeers { .. } => gave = Gave::Peers(heard),
        }
        self.served(seat);
        if so {
            Ok(gave)
        } else {
            Err(Failure::new(FailureKind::Lasting, "not there"))
        }
    }

    /// What the healthy others say of this host: they heard it just now.
    fn peers(&self, seat: usize) -> BTreeMap<String, Option<u64>> {
        let host = &self.seats[seat];
        let heard = u64::from(host.run) * 2 + u64::from(host.runs.is_some());
        (0..HOSTS)
            .filter(|other| *other != seat && self.is_healthy(*other))
            .map(|other| (name(other).to_string(), Some(heard)))
            .collect()
    }
}

/// What clients or other hosts can tell from outside.
const fn is_seen(act: &Act) -> bool {
    matches!(
        act,
        Act::Drain { .. } | Act::Swap { .. } | Act::Stop { .. } | Act::Start { .. }
    )
}

//! The driver of one host's machine: gives `advance` its inputs and does what it asks for. The acts
//! themselves are in `acts`; nothing here decides.

use aegis_updates::access::principal::Principal;
use aegis_updates::agent::machine::{
    Act, Action, Applied, Host as Machine, Input, Ledger, Look, Now, Process as Seen, advance,
};
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::fleet::intent::Begin;
use aegis_updates::fleet::node::Node;
use aegis_updates::fleet::observation::{Database, Observation};
use aegis_updates::fleet::view::Sample;
use aegis_updates::machine::command::Command;

use super::member::Daemon;
use super::{Event, World};

pub struct Agent {
    /// What a crash leaves: the ledger as it was last written.
    pub disk: Ledger,
    /// The daemon's own; `None` while it is down or waits for the executor's lock.
    pub machine: Option<Machine>,
    pub running: Option<Running>,
    /// Which life of the daemon this is.
    pub life: u64,
    /// When this host last had proof that the group commits, in real time.
    pub contact_ms: u64,
    /// The newest report that the trace has shown; repetitions are not.
    pub said: u64,
}

/// The one act in flight. A crash may leave it running, as a child that holds the lock.
#[derive(Debug, Clone)]
pub struct Running {
    pub id: u64,
    pub act: Act,
    /// The binary of the process that ran when it was told.
    pub process: Option<Digest>,
    pub life: u64,
    pub effect_done: bool,
    pub orphan: bool,
}

/// What a host sends to whoever leads.
#[derive(Debug, Clone)]
pub enum Letter {
    Report(Observation),
    Begin(NodeName, Begin),
    /// And what its member's wall clock shows.
    Sample(Sample, u64),
}

impl Agent {
    pub fn new(node: NodeName) -> Self {
        Self {
            disk: Ledger::new(node),
            machine: None,
            running: None,
            life: 0,
            contact_ms: 0,
            said: 0,
        }
    }
}

/// Without making a copy: this is asked after every entry.
fn says_the_same(known: &Applied, node: &Node, live: bool) -> bool {
    known.sequence == node.sequence
        && known.generation == node.generation
        && known.live == live
        && known.open == node.open
        && known.answered == node.answered
        && known.intent == node.intent
}

impl World {
    /// A daemon starts: it says so once it holds the executor's lock.
    pub fn start_daemon(&mut self, id: MemberId) {
        let now = self.now;
        let member = self.member_mut(id);
        member.daemon = Daemon::Up;
        member.lead = None;
        (member.applied_ms, member.stamped_ms) = (now, now);
        member.agent.life += 1;
        member.agent.contact_ms = now;
        member.agent.machine = None;
        self.restore_image(id);
        self.take_lock(id);
    }

    /// Says `Restarted` when no act of an earlier life runs any more.
    pub fn take_lock(&mut self, id: MemberId) {
        let member = self.member_mut(id);
        if !member.is_awake() || member.agent.running.is_some() || member.agent.machine.is_some() {
            return;
        }
        member.agent.machine = Some(Machine::new(member.agent.disk.clone()));
        self.tell(id, Input::Restarted);
        self.lap_agent(id);
    }

    /// One round of what the driver says again and again.
    pub fn lap_agent(&mut self, id: MemberId) {
        if !self.member(id).is_awake() {
            return;
        }
        self.take_lock(id);
        let member = self.member(id);
        let contact = member.agent.contact_ms.max(member.booted_ms);
        let at_ms = member.boot_ms(contact);
        self.tell(id, Input::Contact { at_ms });
        self.wake_agent(id);
        self.look(id);
    }

    /// Until this daemon goes round again: soon where work is in hand or it leads.
    pub fn lap_gap(&mut self, id: MemberId) -> u64 {
        let member = self.member(id);
        let works = member.agent.machine.as_ref().is_some_and(|machine| {
            let ledger = &machine.ledger;
            ledger.flight.is_some() || ledger.work.as_ref().is_some_and(|work| !work.is_answered())
        });
        if works || member.lead.is_some() {
            self.random.between(100, 250)
        } else {
            self.random.between(250, 600)
        }
    }

    /// The log's word on this node, from this member's own applied state, when it is another than the last.
    pub fn wake_agent(&mut self, id: MemberId) {
        let member = self.member(id);
        let (Some(node), Some(machine)) = (member.state.node_of_member(id), &member.agent.machine)
        else {
            return;
        };
        let plan = node
            .intent
            .as_ref()
            .and_then(|intent| member.state.plans.get(&intent.plan));
        let live = plan.is_some_and(|plan| plan.status.is_live());
        let known = machine.memory.applied.as_ref();
        if !known.is_some_and(|known| says_the_same(known, node, live)) {
            self.tell(id, Input::Applied(Applied::of(node, live)));
        }
    }

    pub fn look(&mut self, id: MemberId) {
        let now = self.now;
        let member = self.member(id);
        let look = Look {
            at_ms: member.boot_ms(now),
            database: self.database(id),
            process: member.host.process.as_ref().map(|process| Seen {
                pid: process.run as u32,
                started: process.started_ms,
                kept: true,
            }),
            detail: None,
        };
        if member.agent.machine.is_some() {
            self.truth.looked(id, look.database.healthy);
        }
        self.tell(id, Input::Look(look));
    }

    fn database(&self, id: MemberId) -> Database {
        let host = &self.member(id).host;
        Database {
            digest: host.process.as_ref().map(|process| process.digest),
            installed: host.installed,
            version: host
                .process
                .as_ref()
                .filter(|process| process.is_healthy(self.now))
                .map(super::host::Process::says_version),
            healthy: host.is_healthy(self.now),
            drained: host.drained,
        }
    }

    /// Gives the machine one input and does what it asks, in order. A crash may fall between any two.
    pub fn tell(&mut self, id: MemberId, input: Input) {
        if !self.member(id).is_awake() {
            return;
        }
        let clock = self.boot_clock(id);
        let took = self.takes_peers_word(id);
        let Some(machine) = &mut self.member_mut(id).agent.machine else {
            return;
        };
        let actions = advance(machine, input, clock);
        if !took && self.takes_peers_word(id) {
            self.was_seen_again(id);
        }
        for action in actions {
            if self.crashes_here(id) {
                return;
            }
            self.perform(id, action);
        }
    }

    fn boot_clock(&self, id: MemberId) -> Now {
        let member = self.member(id);
        let mut boot = [0; 32];
        boot[..8].copy_from_slice(&member.boot.to_be_bytes());
        Now {
            boot: Digest::from_bytes(boot),
            ms: member.boot_ms(self.now),
        }
    }

    fn perform(&mut self, id: MemberId, action: Action) {
        let (now, name) = (self.now, self.member(id).name.clone());
        match action {
            Action::Persist => {
                let agent = &mut self.member_mut(id).agent;
                if let Some(machine) = &agent.machine {
                    agent.disk = machine.ledger.clone();
                }
            }
            Action::SetReady(ready) => {
                if self.member(id).host.ready != ready {
                    self.trace.say(now, format_args!("{name} ready={ready}"));
                    self.member_mut(id).host.ready = ready;
                    self.truth.traffic(id, &self.members, now, !ready);
                }
            }
            Action::Look => {
                let at = now + self.random.between(5, 40);
                self.at_time(at, Event::Look(id));
            }
            Action::Propose(observation) => {
                let agent = &mut self.member_mut(id).agent;
                if agent.said < observation.sequence {
                    agent.said = observation.sequence;
                    self.trace.say(
                        now,
                        format_args!(
                            "{name} reports {} {}: {:?}",
                            observation.generation, observation.sequence, observation.report
                        ),
                    );
                }
                self.send(id, Letter::Report(observation));
            }
            Action::Ask(begin) => {
                self.trace.say(
                    now,
                    format_args!(
                        "{name} asks {:?} {} attempt {}",
                        begin.which, begin.generation, begin.attempt
                    ),
                );
                self.send(id, Letter::Begin(name, begin));
            }
            Action::Run { id: act, act: what } => self.run_act(id, act, what),
            Action::Cancel { id: act } => {
                let at = now + self.random.between(5, 60);
                let life = self.member(id).agent.life;
                self.at_time(
                    at,
                    Event::ActEnds {
                        member: id,
                        act,
                        life,
                        cancelled: true,
                    },
                );
            }
        }
    }

    /// To the leader this member knows of. Lost, late or doubled, as the network likes.
    pub fn send(&mut self, from: MemberId, letter: Letter) {
        let Some(to) = self.known_leader(from) else {
            self.coverage.letters_lost += 1;
            return;
        };
        let copies = if self.faulty() && self.random.percent(4) {
            2
        } else {
            1
        };
        self.coverage.letters_doubled += copies - 1;
        for _ in 0..copies {
            if self.faulty() && self.random.percent(3) {
                self.coverage.letters_lost += 1;
                continue;
            }
            let late = self.faulty() && self.random.percent(4);
            self.coverage.letters_late += u64::from(late);
            let delay = if late {
                self.random.between(500, 6_000)
            } else {
                self.random.between(1, 30)
            };
            self.at_time(
                self.now + delay,
                Event::Letter {
                    from,
                    to,
                    letter: Box::new(letter.clone()),
                },
            );
        }
    }

    /// The leader of the newest term this member's own log shows.
    fn known_leader(&self, from: MemberId) -> Option<MemberId> {
        let member = self.member(from);
        if member.lead.is_some() {
            return Some(from);
        }
        let leader = self.log.leader?;
        let heard = self.links.passes(leader, from);
        let known = member.state.head.term.leader;
        if heard { Some(leader) } else { known }
    }

    /// A letter arrives. Only a member that believes it leads takes it.
    pub fn letter(&mut self, from: MemberId, to: MemberId, letter: Letter) {
        if !self.is_awake(to) || !self.links.passes(from, to) || self.member(from).removed {
            return;
        }
        let (now, name) = (self.now, self.member(from).name.clone());
        let Some(lead) = &mut self.member_mut(to).lead else {
            return;
        };
        let actor = Principal::Member { member: from };
        match letter {
            Letter::Sample(sample, wall_ms) => {
                lead.hear(name, sample, now);
                lead.clocks.insert(from, (now, wall_ms));
            }
            Letter::Report(observation) => {
                self.append(to, actor, None, Command::Observe(observation));
            }
            Letter::Begin(node, begin) => match self.judge_begin(to, &node, &begin) {
                Ok(()) => {
                    self.append(to, actor, None, Command::Begin { node, begin });
                }
                Err(reason) => {
                    self.trace.say(
                        now,
                        format_args!("{node} {:?} refused by member {to}: {reason}", begin.which),
                    );
                    self.answer(to, from, Input::BeginRefused { begin, reason });
                }
            },
        }
    }

    /// The leader's word back to a host.
    pub fn answer(&mut self, from: MemberId, to: MemberId, input: Input) {
        if self.links.passes(from, to) && !(self.faulty() && self.random.percent(5)) {
            let at = self.now + self.random.between(1, 30);
            self.at_time(
                at,
                Event::Answer {
                    to,
                    input: Box::new(input),
                },
            );
        }
    }

    pub fn sample(&mut self, id: MemberId) {
        let member = self.member(id);
        let Some(machine) = member.agent.machine.as_ref().filter(|_| member.is_awake()) else {
            return;
        };
        let database = self.database(id);
        let sample = Sample {
            healthy: database.healthy,
            version: database.version,
            digest: database.digest,
            ready: member.host.ready,
            drained: database.drained,
            safe_to_stop: Ok(()),
            disk_free_bytes: 1 << 40,
            generation: machine.ledger.newest,
            step: machine.ledger.step(),
        };
        let wall_ms = member.wall_ms(self.now);
        self.send(id, Letter::Sample(sample, wall_ms));
    }
}

//! The world of one seed: members on a model log, hosts, clocks, a queue of events. What is tested is real:
//! `apply`, `decide`, `begin::may`, `advance`; everything here is the world around them.

pub mod agent;
pub mod host;
pub mod links;
pub mod log;
pub mod member;

mod acts;
mod clocks;
mod consensus;
mod database;
mod forming;
mod hearsay;
mod leader;
mod operator;
pub mod truth;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use aegis_updates::agent::machine::{Failure, Gave, Input};
use aegis_updates::base::ids::{MemberId, PlanId};
use aegis_updates::decision::waiting::Wait;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::image;
use aegis_updates::machine::submission::Position;

use crate::coverage::Coverage;
use crate::invariants::{i10, i11};
use crate::oracle::Oracle;
use crate::random::Random;
use crate::setting::Setting;
use crate::trace::Trace;

use agent::Letter;
use links::Links;
use log::{Entry, Log};
use member::{Daemon, Member};
use truth::Truth;

pub enum Event {
    Raft,
    Lap(MemberId),
    Sample(MemberId),
    Look(MemberId),
    ActActs {
        member: MemberId,
        act: u64,
        life: u64,
    },
    ActEnds {
        member: MemberId,
        act: u64,
        life: u64,
        cancelled: bool,
    },
    Letter {
        from: MemberId,
        to: MemberId,
        letter: Box<Letter>,
    },
    Answer {
        to: MemberId,
        input: Box<Input>,
    },
    Append {
        member: MemberId,
        term: u64,
        command: Box<Command>,
    },
    Transfer {
        from: MemberId,
        to: MemberId,
    },
    DatabaseEnds {
        member: MemberId,
        run: u64,
    },
    KeepRunning {
        member: MemberId,
    },
    StartDaemon(MemberId),
    Thaw(MemberId),
    PowerOn(MemberId),
    Heal,
    Fault,
    FaultsEnd,
    Operator,
    TurnBack(PlanId),
    FallIll(MemberId),
}

struct Scheduled {
    at_ms: u64,
    number: u64,
    event: Event,
}

pub struct World {
    pub now: u64,
    pub random: Random,
    pub setting: Setting,
    pub log: Log,
    pub links: Links,
    pub members: Vec<Member>,
    pub truth: Truth,
    pub oracle: Oracle,
    pub coverage: Coverage,
    pub trace: Trace,
    /// Why the leader did nothing at its last lap.
    pub waits: Vec<Wait>,
    pub slow_until_ms: u64,
    pub slow_disk_until_ms: u64,
    pub origin_down_until_ms: u64,
    pub results: BTreeMap<(MemberId, u64, u64), Result<Gave, Failure>>,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
}

/// How long after the faults everything must have come to rest: staging, every node there and back, each within
/// its deadlines, and the two plan deadlines of the short strategy on top.
pub const BOUND_MS: u64 = 700_000;
/// At rest for so long is at rest.
const REST_MS: u64 = 5_000;

impl World {
    pub fn new(seed: u64, setting: Setting, keep_trace: bool) -> Self {
        let oracle = Oracle::new();
        Self {
            now: 0,
            random: Random::new(seed),
            setting,
            log: Log::new(),
            links: Links::default(),
            members: Vec::new(),
            truth: Truth::default(),
            oracle,
            coverage: Coverage::default(),
            trace: Trace::new(keep_trace),
            waits: Vec::new(),
            slow_until_ms: 0,
            slow_disk_until_ms: 0,
            origin_down_until_ms: 0,
            results: BTreeMap::new(),
            queue: BinaryHeap::new(),
            scheduled: 0,
        }
    }

    pub fn at_time(&mut self, at_ms: u64, event: Event) {
        self.scheduled += 1;
        let number = self.scheduled;
        self.queue.push(Reverse(Scheduled {
            at_ms,
            number,
            event,
        }));
    }

    /// Runs until everything rests after the faults, the bound is over, or an invariant is broken.
    pub fn run(&mut self) {
        let end = self.setting.faults_end_ms + BOUND_MS;
        let mut rests_since = None;
        while let Some(Reverse(next)) = self.queue.pop() {
            self.now = next.at_ms.max(self.now);
            self.coverage.events += 1;
            self.handle(next.event);
            self.oracle.take_wrongs(&mut self.truth);
            if self.oracle.is_broken() {
                return;
            }
            if self.now > end {
                break;
            }
            if self.now > self.setting.faults_end_ms && self.coverage.events.is_multiple_of(16) {
                if i11::unrest(self).is_none() {
                    let since = *rests_since.get_or_insert(self.now);
                    if self.now - since >= REST_MS {
                        break;
                    }
                } else {
                    rests_since = None;
                }
            }
        }
        if let Some(unrest) = i11::unrest(self) {
            self.oracle.broken("I11", unrest);
        }
    }

    /// Runs until something is so; false when it was not so within the time, or an invariant is broken.
    pub fn run_until(&mut self, within_ms: u64, so: impl Fn(&Self) -> bool) -> bool {
        let limit = self.now + within_ms;
        while !so(self) {
            let Some(Reverse(next)) = self.queue.pop() else {
                return false;
            };
            self.now = next.at_ms.max(self.now);
            self.handle(next.event);
            self.oracle.take_wrongs(&mut self.truth);
            if self.oracle.is_broken() || self.now > limit {
                return false;
            }
        }
        true
    }

    fn handle(&mut self, event: Event) {
        if let Some(later) = self.put_off(&event) {
            return self.at_time(later, event);
        }
        match event {
            Event::Raft => {
                self.raft();
                self.truth.beat(&self.members, self.now);
                self.oracle
                    .down_by_plan(&self.truth, self.setting.strategy.max_unavailable as usize);
                let beat = self.random.between(20, 60);
                self.at_time(self.now + beat, Event::Raft);
            }
            Event::Lap(id) => {
                self.lap_agent(id);
                if self.is_awake(id) {
                    self.lap_leader(id);
                }
                let gap = self.lap_gap(id);
                self.at_time(self.now + gap, Event::Lap(id));
            }
            Event::Sample(id) => {
                self.tell(id, Input::Tick);
                self.sample(id);
                self.at_time(self.now + 1_000, Event::Sample(id));
            }
            Event::Look(id) => self.look(id),
            Event::ActActs { member, act, life } => self.act_acts(member, act, life),
            Event::ActEnds {
                member,
                act,
                life,
                cancelled,
            } => self.act_ends(member, act, life, cancelled),
            Event::Letter { from, to, letter } => self.letter(from, to, *letter),
            Event::Answer { to, input } => self.tell(to, *input),
            Event::Append {
                member,
                term,
                command,
            } => self.append_late(member, term, *command),
            Event::Transfer { from, to } => self.transfer(from, to),
            Event::DatabaseEnds { member, run } => self.database_ends(member, run),
            Event::KeepRunning { member } => self.keep_running(member),
            Event::StartDaemon(id) => {
                if matches!(self.member(id).daemon, Daemon::Down { .. })
                    && self.member(id).has_power()
                {
                    self.start_daemon(id);
                }
            }
            Event::Thaw(id) => self.thaw(id),
            Event::PowerOn(id) => self.power_on(id),
            Event::Heal => self.links.heal(),
            Event::Fault => self.fault(),
            Event::FaultsEnd => self.faults_end(),
            Event::Operator => self.operator(),
            Event::TurnBack(plan) => self.turn_back(plan),
            Event::FallIll(id) => self.fall_ill(id),
        }
    }

    /// What a frozen daemon would do happens when it wakes.
    fn put_off(&self, event: &Event) -> Option<u64> {
        let (Event::Lap(id)
        | Event::Look(id)
        | Event::Append { member: id, .. }
        | Event::Answer { to: id, .. }
        | Event::ActActs { member: id, .. }
        | Event::ActEnds { member: id, .. }
        | Event::Letter { to: id, .. }) = event
        else {
            return None;
        };
        match self.member(*id).daemon {
            Daemon::Frozen { until_ms } if until_ms > self.now => Some(until_ms + 1),
            _ => None,
        }
    }

    fn oracle_sees(&mut self, position: Position, entry: &Entry) {
        self.coverage.entries += 1;
        let refused = self.oracle.sees(
            self.now,
            position,
            entry,
            &mut self.coverage,
            &mut self.trace,
        );
        for member in self.oracle.removed_members() {
            self.members[(member.0 - 1) as usize].removed = true;
            self.truth.written_off(member);
        }
        if let Some(written_off) = self.oracle.take_written_off() {
            self.truth.written_off(written_off);
        }
        if let Some(plan) = self.oracle.plan_ended() {
            i10::judge(self, plan);
            self.plan_ended(plan);
        }
        if let (Some((to, input)), Some(leader)) = (refused, self.log.leader) {
            self.answer(leader, to, input);
        }
    }

    /// I11's word on a rollback that ended by its deadline in the quiet phase.
    fn plan_ended(&mut self, plan: PlanId) {
        let quiet =
            self.now > self.setting.faults_end_ms + self.setting.strategy.rollback_deadline.0;
        let all_there = self
            .members
            .iter()
            .all(|member| member.removed || member.has_power());
        let state = &self.oracle.state;
        let found = state.plans.get(&plan);
        let detail = found.and_then(|plan| plan.detail.clone());
        // An operator skipped a node that is down: it is theirs to mend, and the rest waits for it.
        let skipped = found.is_some_and(|plan| i11::skipped_is_out(state, plan));
        // What ran before the plan may be no better than what it brought: nobody can be spared then.
        let sound = self.members.iter().all(|member| {
            let process = member.host.process.as_ref();
            member.removed || process.is_some_and(|process| process.stays())
        });
        let detail = detail.unwrap_or_default();
        if let Err(detail) = i11::overdue(&detail, quiet && all_there && sound && !skipped) {
            self.oracle.broken("I11", detail);
        }
    }

    /// A restarted daemon loads what its store holds: the rows of its own state.
    pub fn restore_image(&mut self, id: MemberId) {
        let at = self.at(id);
        let before = &self.members[at].state;
        let restored = image::all(before).and_then(|rows| image::restore(rows.into_iter()));
        match restored {
            Ok(state) if state == *before => self.members[at].state = state,
            Ok(_) => self
                .oracle
                .broken("I14", format!("member {id}: the image is not the state")),
            Err(error) => self.oracle.broken("I14", format!("member {id}: {error}")),
        }
    }

    /// True where the phase of faults lets a daemon die between two actions.
    fn crashes_here(&mut self, id: MemberId) -> bool {
        let dies = self.faulty()
            && self.setting.fault_rate > 0
            && self.random.next() % 4_000 < self.setting.fault_rate / 20;
        if dies {
            self.coverage.crashes_between_actions += 1;
            let (now, back) = (self.now, self.random.between(100, 5_000));
            self.trace.say(
                now,
                format_args!("FAULT crash between actions (member {id})"),
            );
            self.crash_daemon(id, now + back);
        }
        dies
    }

    /// In the phase of faults.
    pub fn faulty(&self) -> bool {
        self.now < self.setting.faults_end_ms && self.setting.fault_rate > 0
    }

    pub fn at(&self, id: MemberId) -> usize {
        (id.0 - 1) as usize
    }

    pub fn member(&self, id: MemberId) -> &Member {
        &self.members[self.at(id)]
    }

    pub fn member_mut(&mut self, id: MemberId) -> &mut Member {
        let at = self.at(id);
        &mut self.members[at]
    }

    pub fn is_awake(&self, id: MemberId) -> bool {
        self.member(id).is_awake()
    }

    pub fn present(&self) -> Vec<MemberId> {
        self.members
            .iter()
            .filter(|member| !member.removed)
            .map(|member| member.id)
            .collect()
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

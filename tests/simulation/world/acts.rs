//! What each act does to a model host: how long it takes, when its effect falls, what it gives. A crash may
//! come before the effect, after it, or leave it running.

use aegis_updates::agent::machine::{
    Act, Done, Failure, FailureKind, Gave, Input, Process as Seen, Source,
};
use aegis_updates::base::ids::MemberId;
use aegis_updates::fleet::intent::Goal;

use super::agent::Running;
use super::{Event, World};
use crate::invariants::{begins, i21};

impl World {
    pub fn run_act(&mut self, id: MemberId, act: u64, what: Act) {
        let (now, name) = (self.now, self.member(id).name.clone());
        self.trace
            .say(now, format_args!("{name} runs {act} {}", what.name()));
        let generation = self.member(id).agent.disk.newest;
        self.truth.act_starts(
            id,
            generation,
            self.member(id)
                .agent
                .running
                .as_ref()
                .map(|running| running.id),
        );
        let life = self.member(id).agent.life;
        let effect = now + self.random.between(1, 60);
        let process = self.member(id).host.process.as_ref();
        let process = process.map(|process| process.digest);
        self.member_mut(id).agent.running = Some(Running {
            id: act,
            act: what,
            process,
            life,
            effect_done: false,
            orphan: false,
        });
        self.at_time(
            effect,
            Event::ActActs {
                member: id,
                act,
                life,
            },
        );
    }

    /// The instant of the effect.
    pub fn act_acts(&mut self, id: MemberId, act: u64, life: u64) {
        let Some(running) = self.in_flight(id, act, life) else {
            return;
        };
        let what = running.act.clone();
        let (mut low, mut high) = lasts(&what);
        if self.now < self.slow_disk_until_ms {
            low *= 4;
            high *= 4;
        }
        let mut ends = self.now + self.random.between(low, high);
        let result = self.effect(id, &what, &mut ends);
        if let Some(running) = &mut self.member_mut(id).agent.running {
            running.effect_done = true;
        }
        self.results.insert((id, act, life), result);
        self.at_time(
            ends,
            Event::ActEnds {
                member: id,
                act,
                life,
                cancelled: false,
            },
        );
    }

    pub fn act_ends(&mut self, id: MemberId, act: u64, life: u64, cancelled: bool) {
        let Some(running) = self.in_flight(id, act, life) else {
            return;
        };
        let (orphan, acted) = (running.orphan, running.effect_done);
        if cancelled && acted && !matches!(running.act, Act::WaitDrained { .. } | Act::Stage { .. })
        {
            // It ends as it would have.
            return;
        }
        self.member_mut(id).agent.running = None;
        let result = self.results.remove(&(id, act, life));
        let result = match (cancelled, result) {
            (false, Some(result)) => result,
            _ => Err(Failure::new(FailureKind::Cancelled, "cancelled")),
        };
        let (now, name) = (self.now, self.member(id).name.clone());
        self.trace.say(
            now,
            format_args!(
                "{name} ended {act}: {}",
                match &result {
                    Ok(_) => "ok".to_owned(),
                    Err(failure) => format!("{:?} {}", failure.kind, failure.detail),
                }
            ),
        );
        if orphan {
            self.take_lock(id);
        } else {
            self.tell(id, Input::Done(Done { id: act, result }));
        }
    }

    /// The act, if it still runs; put off while its daemon is frozen.
    fn in_flight(&self, id: MemberId, act: u64, life: u64) -> Option<&Running> {
        let running = self.member(id).agent.running.as_ref();
        running.filter(|running| running.id == act && running.life == life)
    }

    fn effect(&mut self, id: MemberId, act: &Act, ends: &mut u64) -> Result<Gave, Failure> {
        let now = self.now;
        match act {
            Act::Stage {
                target, timeout, ..
            } => self.stage(id, target.digest, timeout.0, ends),
            Act::CheckBackup { digest } => holds(
                self.member(id).host.backups.contains(digest),
                "no such backup",
            ),
            Act::Drain { .. } => {
                // Not ready, it takes no traffic already.
                let away = self.member(id).host.ready && !self.member(id).host.drained;
                self.member_mut(id).host.drained = true;
                self.truth.traffic_by_act(id, &self.members, now, away);
                Ok(Gave::Nothing)
            }
            Act::Undrain => {
                self.member_mut(id).host.drained = false;
                self.truth.traffic_by_act(id, &self.members, now, false);
                Ok(Gave::Nothing)
            }
            Act::WaitDrained { timeout } => {
                if self.random.percent(10) {
                    *ends = now + timeout.0;
                    return Err(Failure::new(FailureKind::TimedOut, "connections are left"));
                }
                Ok(Gave::Nothing)
            }
            Act::Flush { .. } => Ok(Gave::Nothing),
            Act::BackUp { digest, .. } => {
                let host = &mut self.member_mut(id).host;
                let runs = host
                    .process
                    .as_ref()
                    .is_some_and(|process| process.digest == *digest);
                if runs || host.installed == Some(*digest) {
                    host.backups.insert(*digest);
                }
                holds(host.backups.contains(digest), "nothing to back up from")
            }
            Act::Prepare { digest, from, .. } => {
                let host = &mut self.member_mut(id).host;
                let there = match from {
                    // A plan that leads back stages nothing: what it wants was kept.
                    Source::Staged => host.staged.contains(digest) || host.backups.contains(digest),
                    Source::Backup => host.backups.contains(digest),
                    Source::Running => host
                        .process
                        .as_ref()
                        .is_some_and(|process| process.digest == *digest),
                };
                if there {
                    host.aside = Some(*digest);
                }
                holds(there, "nothing to prepare from")
            }
            Act::RemovePrepared => {
                self.member_mut(id).host.aside = None;
                Ok(Gave::Nothing)
            }
            Act::Swap {
                digest,
                not_after_ms,
            } => self.swap(id, *digest, *not_after_ms),
            Act::Stop { timeout } => self.stop(id, timeout.0, ends),
            Act::Start { digest, .. } => self.start(id, *digest),
            Act::AskPeers { .. } => Ok(Gave::Peers(self.peers_of(id))),
        }
    }

    fn stage(
        &mut self,
        id: MemberId,
        digest: aegis_updates::base::digest::Digest,
        timeout_ms: u64,
        ends: &mut u64,
    ) -> Result<Gave, Failure> {
        if self.member(id).host.staged.contains(&digest) {
            return Ok(Gave::Nothing);
        }
        if self.now < self.origin_down_until_ms {
            *ends = self.now + self.random.between(1, timeout_ms.clamp(1, 1_000));
            return Err(Failure::new(
                FailureKind::Passing,
                "the origin does not answer",
            ));
        }
        if self.faulty() && self.random.percent(3) {
            self.coverage.bad_downloads += 1;
            return Err(Failure::new(FailureKind::Lasting, "wrong digest"));
        }
        self.member_mut(id).host.staged.insert(digest);
        Ok(Gave::Nothing)
    }

    fn swap(
        &mut self,
        id: MemberId,
        digest: aegis_updates::base::digest::Digest,
        not_after_ms: Option<u64>,
    ) -> Result<Gave, Failure> {
        let (now, name) = (self.now, self.member(id).name.clone());
        let clock = self.member(id).boot_ms(now);
        let generation = self.member(id).agent.disk.newest;
        let host = &mut self.member_mut(id).host;
        if host.installed == Some(digest) {
            return Ok(Gave::Nothing);
        }
        if not_after_ms.is_some_and(|limit| clock > limit) {
            return Err(Failure::new(
                FailureKind::Lapsed,
                "the begin's lease is over",
            ));
        }
        if host.aside != Some(digest) {
            return Err(Failure::new(
                FailureKind::Lasting,
                "nothing lies beside the install path",
            ));
        }
        host.installed = Some(digest);
        host.aside = None;
        self.swap_is_covered(id, digest);
        self.trace
            .say(now, format_args!("{name} swapped to {}", digest.short()));
        let alone = self.member(id).agent.disk.alone.is_some();
        self.truth.swapped(id, generation, digest, alone);
        Ok(Gave::Nothing)
    }

    /// A rename forward or back, not one that puts a node back: a begin covers it, and the way back is kept.
    fn swap_is_covered(&mut self, id: MemberId, digest: aegis_updates::base::digest::Digest) {
        let member = self.member(id);
        let disk = &member.agent.disk;
        let Some(intent) = disk.work.as_ref().map(|work| &work.intent) else {
            return;
        };
        let wanted = intent.goal.wants().map(|binary| binary.digest);
        // The process that the file goes back for may have ended since.
        let ran = member.agent.running.as_ref().and_then(|act| act.process);
        if disk.alone.is_some() || wanted != Some(digest) || ran == Some(digest) {
            return;
        }
        let state = &self.oracle.state;
        let used = begins::used(state, &member.name, intent.generation, disk.attempts);
        let kept = match &intent.goal {
            Goal::Update {
                rollback_target, ..
            } => i21::can_go_back(&member.host.backups, rollback_target.digest),
            _ => Ok(()),
        };
        self.truth.judged("begins", id, used);
        self.truth.judged("I21", id, kept);
    }

    fn stop(&mut self, id: MemberId, timeout_ms: u64, ends: &mut u64) -> Result<Gave, Failure> {
        let now = self.now;
        let generation = self.member(id).agent.disk.newest;
        let stubborn = self.faulty() && self.random.percent(4);
        let lasts = self.random.between(100, 900);
        let host = &mut self.member_mut(id).host;
        host.kept_running = false;
        let Some(process) = &mut host.process else {
            return Ok(Gave::Nothing);
        };
        if stubborn {
            *ends = now + timeout_ms;
            self.coverage.stubborn_stops += 1;
            return Err(Failure::new(FailureKind::TimedOut, "it ignores SIGTERM"));
        }
        process.stopping = true;
        let run = process.run;
        let alone = self.member(id).agent.disk.alone.is_some();
        let retries = self.setting.strategy.deadlines.restart_retries;
        self.truth.stopped(id, now, generation, 1 + retries, alone);
        self.truth.traffic_by_act(id, &self.members, now, true);
        self.at_time(now + lasts, Event::DatabaseEnds { member: id, run });
        *ends = now + lasts + 5;
        Ok(Gave::Nothing)
    }

    fn start(
        &mut self,
        id: MemberId,
        digest: aegis_updates::base::digest::Digest,
    ) -> Result<Gave, Failure> {
        if self.member(id).host.process.is_none() {
            if self.member(id).host.installed != Some(digest) {
                return Err(Failure::new(
                    FailureKind::Lasting,
                    "another file is installed",
                ));
            }
            self.start_database(id);
        }
        let host = &mut self.member_mut(id).host;
        host.kept_running = true;
        match &host.process {
            Some(process) if process.digest == digest => Ok(Gave::Started {
                process: Seen {
                    pid: process.run as u32,
                    started: process.started_ms,
                    kept: true,
                },
                digest,
            }),
            _ => Err(Failure::new(
                FailureKind::Passing,
                "no process with that digest",
            )),
        }
    }
}

/// How long an act takes after its effect, at least and at most.
const fn lasts(act: &Act) -> (u64, u64) {
    match act {
        Act::Stage { .. } => (50, 800),
        Act::WaitDrained { .. } => (10, 500),
        Act::BackUp { .. } | Act::Prepare { .. } => (5, 150),
        Act::Start { .. } => (20, 200),
        _ => (1, 40),
    }
}

fn holds(so: bool, otherwise: &str) -> Result<Gave, Failure> {
    if so {
        Ok(Gave::Nothing)
    } else {
        Err(Failure::new(FailureKind::Lasting, otherwise))
    }
}

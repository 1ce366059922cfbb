//! What goes wrong, when, and how it ends. Every kind is counted; all of it stops when the phase of faults ends.

use std::collections::BTreeSet;

use aegis_updates::base::ids::MemberId;

use crate::world::member::Daemon;
use crate::world::{Event, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    DaemonCrash,
    DaemonFreeze,
    LeaderFreeze,
    DatabaseCrash,
    DatabaseSick,
    HostReboot,
    HostGone,
    Partition,
    OneWayCut,
    MemberLags,
    SlowCommits,
    SlowDisk,
    OriginDown,
    LeaderReplaced,
    QuorumFrozen,
    QuorumKilled,
    DatabasesDown,
    ClockForward,
    ClockBack,
}

impl Fault {
    pub const ALL: [Self; 19] = [
        Self::DaemonCrash,
        Self::DaemonFreeze,
        Self::LeaderFreeze,
        Self::DatabaseCrash,
        Self::DatabaseSick,
        Self::HostReboot,
        Self::HostGone,
        Self::Partition,
        Self::OneWayCut,
        Self::MemberLags,
        Self::SlowCommits,
        Self::SlowDisk,
        Self::OriginDown,
        Self::LeaderReplaced,
        Self::QuorumFrozen,
        Self::QuorumKilled,
        Self::DatabasesDown,
        Self::ClockForward,
        Self::ClockBack,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::DaemonCrash => "daemon crash",
            Self::DaemonFreeze => "daemon freeze",
            Self::LeaderFreeze => "leader freeze",
            Self::DatabaseCrash => "database crash",
            Self::DatabaseSick => "database sick",
            Self::HostReboot => "host reboot",
            Self::HostGone => "host gone",
            Self::Partition => "partition",
            Self::OneWayCut => "one-way cut",
            Self::MemberLags => "member lags",
            Self::SlowCommits => "slow commits",
            Self::SlowDisk => "slow disk",
            Self::OriginDown => "origin down",
            Self::LeaderReplaced => "leader replaced",
            Self::QuorumFrozen => "quorum frozen",
            Self::QuorumKilled => "quorum killed",
            Self::DatabasesDown => "databases down",
            Self::ClockForward => "clock forward",
            Self::ClockBack => "clock back",
        }
    }

    /// How often it is drawn, against the others.
    const fn weight(self) -> u64 {
        match self {
            Self::DaemonCrash | Self::DaemonFreeze | Self::LeaderReplaced | Self::LeaderFreeze => {
                10
            }
            Self::Partition | Self::OneWayCut | Self::DatabaseCrash | Self::MemberLags => 6,
            Self::ClockForward | Self::ClockBack | Self::SlowCommits | Self::SlowDisk => 5,
            Self::DatabaseSick | Self::OriginDown | Self::HostReboot => 4,
            Self::QuorumFrozen | Self::QuorumKilled | Self::DatabasesDown => 2,
            Self::HostGone => 2,
        }
    }
}

const HOUR_MS: i64 = 3_600_000;

impl World {
    /// Strikes once, and says when the next one comes.
    pub fn fault(&mut self) {
        if !self.faulty() {
            return;
        }
        let all: u64 = Fault::ALL.iter().map(|fault| fault.weight()).sum();
        let mut drawn = self.random.between(0, all - 1);
        let fault = Fault::ALL.into_iter().find(|fault| {
            let hit = drawn < fault.weight();
            drawn = drawn.saturating_sub(fault.weight());
            hit
        });
        if let Some(fault) = fault {
            self.strike(fault);
        }
        self.next_fault();
    }

    pub fn next_fault(&mut self) {
        let spread = self.random.between(500, 14_000) * 100;
        if let Some(gap) = spread.checked_div(self.setting.fault_rate) {
            self.at_time(self.now + gap, Event::Fault);
        }
    }

    pub fn strike(&mut self, fault: Fault) {
        let Some(&victim) = self.random.pick(&self.present()) else {
            return;
        };
        let name = self.member(victim).name.clone();
        let now = self.now;
        self.trace
            .say(now, format_args!("FAULT {} ({name})", fault.name()));
        *self.coverage.faults.entry(fault.name()).or_default() += 1;
        let short = self.random.between(300, 4_000);
        let long = self.random.between(1_000, 20_000);
        let either = if self.random.percent(50) { short } else { long };
        match fault {
            Fault::DaemonCrash => self.crash_daemon(victim, now + either),
            Fault::DaemonFreeze => self.freeze_daemon(victim, now + either),
            Fault::LeaderFreeze => {
                let leader = self.log.leader.unwrap_or(victim);
                self.freeze_daemon(leader, now + either);
            }
            Fault::DatabaseCrash => {
                if let Some(run) = self
                    .member(victim)
                    .host
                    .process
                    .as_ref()
                    .map(|process| process.run)
                {
                    self.database_ends(victim, run);
                }
            }
            Fault::DatabaseSick => self.sicken(victim, now + short * 2),
            Fault::HostReboot => self.power_off(victim, now + long),
            Fault::HostGone => self.host_gone(victim),
            Fault::Partition => self.split(now + long),
            Fault::OneWayCut => self.cut_one_way(victim, now + long),
            Fault::MemberLags => {
                // Long enough, at times, to be called late for what it never saw.
                let lag = if self.random.percent(40) {
                    short * 25
                } else {
                    short
                };
                self.member_mut(victim).lags_until_ms = now + lag;
            }
            Fault::SlowCommits => self.slow_until_ms = now + short,
            Fault::SlowDisk => self.slow_disk_until_ms = now + long,
            Fault::OriginDown => self.origin_down_until_ms = now + long,
            Fault::LeaderReplaced => {
                self.elect(victim);
            }
            Fault::QuorumFrozen => self.lose_majority(now + long + short, true),
            Fault::QuorumKilled => self.lose_majority(now + long + short, false),
            Fault::DatabasesDown => {
                let until = now + long + short;
                for member in self.some_majority() {
                    self.sicken(member, until);
                }
            }
            Fault::ClockForward => self.jump(victim, 1),
            Fault::ClockBack => self.jump(victim, -1),
        }
    }

    fn jump(&mut self, victim: MemberId, sign: i64) {
        let by = if self.random.percent(50) {
            HOUR_MS
        } else {
            10 * 365 * 24 * HOUR_MS
        };
        let now = self.now;
        let member = self.member_mut(victim);
        let offset_ms = (member.wall_offset_ms + sign * by)
            .clamp(-20 * 365 * 24 * HOUR_MS, 20 * 365 * 24 * HOUR_MS);
        member.set_clock(now, offset_ms);
    }

    pub fn crash_daemon(&mut self, id: MemberId, until_ms: u64) {
        if !self.member(id).has_power() || matches!(self.member(id).daemon, Daemon::Down { .. }) {
            return;
        }
        let child_lives_on = self.random.percent(30);
        let member = self.member_mut(id);
        member.daemon = Daemon::Down { until_ms };
        member.lead = None;
        member.agent.machine = None;
        match &mut member.agent.running {
            Some(running) if child_lives_on || running.effect_done => running.orphan = true,
            running => *running = None,
        }
        self.at_time(until_ms, Event::StartDaemon(id));
    }

    pub fn freeze_daemon(&mut self, id: MemberId, until_ms: u64) {
        if self.member(id).is_awake() {
            // What it puts off comes when it wakes, and all faults end at once.
            let until_ms = match self.faulty() {
                true => until_ms.min(self.setting.faults_end_ms),
                false => until_ms,
            };
            self.member_mut(id).daemon = Daemon::Frozen { until_ms };
            self.at_time(until_ms, Event::Thaw(id));
        }
    }

    /// Longer than any grace for health.
    pub fn fall_ill(&mut self, id: MemberId) {
        if self.faulty() {
            self.sicken(id, self.now + 8_000);
        }
    }

    fn sicken(&mut self, id: MemberId, until_ms: u64) {
        if let Some(process) = &mut self.member_mut(id).host.process {
            process.sick_until_ms = until_ms;
        }
    }

    pub fn power_off(&mut self, id: MemberId, until_ms: u64) {
        if !self.member(id).has_power() {
            return;
        }
        let member = self.member_mut(id);
        member.off_until_ms = Some(until_ms);
        member.daemon = Daemon::Down { until_ms };
        member.lead = None;
        member.agent.machine = None;
        member.agent.running = None;
        member.host.power_off();
        if until_ms < u64::MAX {
            self.at_time(until_ms, Event::PowerOn(id));
        }
    }

    /// At most one host of three or more, so that a quorum stays.
    fn host_gone(&mut self, victim: MemberId) {
        let gone = self
            .members
            .iter()
            .any(|member| member.off_until_ms == Some(u64::MAX));
        if !gone && self.log.voters.len() >= 3 && self.random.percent(40) {
            self.power_off(victim, u64::MAX);
        } else {
            let until = self.now + self.random.between(15_000, 40_000);
            self.power_off(victim, until);
        }
    }

    fn split(&mut self, until_ms: u64) {
        let all = self.present();
        let side: BTreeSet<MemberId> = all
            .iter()
            .copied()
            .filter(|_| self.random.percent(50))
            .collect();
        self.links.split(&all, &side);
        self.at_time(until_ms, Event::Heal);
    }

    fn cut_one_way(&mut self, victim: MemberId, until_ms: u64) {
        let out = self.random.percent(50);
        for other in self.present() {
            if other != victim && self.random.percent(70) {
                let (from, to) = if out {
                    (victim, other)
                } else {
                    (other, victim)
                };
                self.links.cut(from, to);
            }
        }
        self.at_time(until_ms, Event::Heal);
    }

    fn some_majority(&mut self) -> Vec<MemberId> {
        let mut voters: Vec<MemberId> = self.log.voters.iter().copied().collect();
        let spared = (voters.len() - 1) / 2;
        for _ in 0..spared {
            let at = self.random.between(0, voters.len() as u64 - 1) as usize;
            voters.swap_remove(at);
        }
        voters
    }

    fn lose_majority(&mut self, until_ms: u64, frozen: bool) {
        for member in self.some_majority() {
            if frozen {
                self.freeze_daemon(member, until_ms);
            } else {
                self.crash_daemon(member, until_ms);
            }
        }
    }

    /// The end of the phase of faults: everything that can come back does.
    pub fn faults_end(&mut self) {
        let now = self.now;
        self.trace.say(now, format_args!("faults end"));
        self.links.heal();
        (
            self.slow_until_ms,
            self.slow_disk_until_ms,
            self.origin_down_until_ms,
        ) = (0, 0, 0);
        for id in self.present() {
            if let Some(process) = &mut self.member_mut(id).host.process {
                process.sick_until_ms = 0;
            }
            self.member_mut(id).lags_until_ms = 0;
            match (self.member(id).off_until_ms, self.member(id).daemon) {
                (Some(u64::MAX), _) | (None, Daemon::Up) => {}
                (Some(_), _) => self.power_on(id),
                (None, Daemon::Frozen { .. }) => self.thaw(id),
                (None, Daemon::Down { .. }) => self.start_daemon(id),
            }
        }
    }

    pub fn thaw(&mut self, id: MemberId) {
        let now = self.now;
        if let Daemon::Frozen { until_ms } = self.member(id).daemon
            && (until_ms <= now || !self.faulty())
        {
            self.member_mut(id).daemon = Daemon::Up;
            // The first thing a woken daemon does is whatever it was about to do.
            self.lap_leader(id);
            self.lap_agent(id);
        }
    }

    pub fn power_on(&mut self, id: MemberId) {
        let now = self.now;
        let member = self.member_mut(id);
        if member.off_until_ms.is_none_or(|until| until == u64::MAX) {
            return;
        }
        member.off_until_ms = None;
        member.boot += 1;
        member.booted_ms = now;
        member.crash_restarts = 0;
        // The resident parent starts what the ledger allows, without asking anybody.
        let allowed = member
            .host
            .installed
            .is_some_and(|file| member.agent.disk.startable().contains(&file));
        member.host.kept_running = allowed;
        if allowed {
            self.start_database(id);
        }
        self.start_daemon(id);
    }
}

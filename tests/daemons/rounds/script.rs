//! What one round does, all of it from its number: which release, which fault, at which step of which node,
//! to whom, and whether the upgrade is taken back afterwards.

use std::fmt;

use aegis_updates::plans::progress::Step;

/// SplitMix64 (Steele, Lea and Flood 2014); the only source of chance in a round.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// How the release is (F15, F17), or how its origin gives it (F18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Sound,
    SlowHealth,
    CrashAtStart,
    HangAtStart,
    DiesSoon,
    WrongVersion,
    NeverHealthy,
    Flapping,
    /// Runs as it should and does not obey a stop: the way back meets it.
    IgnoreTerm,
    OriginShort,
    OriginMissing,
    OriginOther,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    KillDaemon,
    KillDatabase,
    Freeze,
    FreezeTwo,
    /// For longer than the grace: the plan is called off.
    LoseQuorum,
    CutOff,
    CutOneWay,
    CutPair,
    Delay,
    Loss,
    SickHealth,
    FlipStaged,
    Descriptors,
    Wiped,
    Stall,
    ReadOnly,
    Clock,
    /// One more host joins, and leaves when the plans have ended.
    Added,
    /// A host that was taken out comes up with the directory that it had.
    OldId,
    /// A host is taken out, and joins as somebody new.
    Removed,
}

/// Whose host the trouble meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    InHand,
    Leader,
    Other,
}

#[derive(Debug, Clone)]
pub struct Script {
    pub seed: u64,
    pub release: Kind,
    pub trouble: Trouble,
    pub step: Step,
    /// Nodes that pass the step before the trouble comes.
    pub passed: u64,
    pub whose: Whose,
    /// Taken back when it was completed.
    pub back: bool,
    /// Clients come through HAProxy, where the machine has it; never in the rounds of CI.
    pub haproxy: bool,
}

const BAD: [Kind; 11] = [
    Kind::SlowHealth,
    Kind::CrashAtStart,
    Kind::HangAtStart,
    Kind::DiesSoon,
    Kind::WrongVersion,
    Kind::NeverHealthy,
    Kind::Flapping,
    Kind::OriginShort,
    Kind::OriginMissing,
    Kind::OriginOther,
    Kind::IgnoreTerm,
];
pub const TROUBLES: [Trouble; 20] = [
    Trouble::KillDaemon,
    Trouble::Freeze,
    Trouble::KillDatabase,
    Trouble::CutOff,
    Trouble::FreezeTwo,
    Trouble::CutOneWay,
    Trouble::SickHealth,
    Trouble::CutPair,
    Trouble::Delay,
    Trouble::Wiped,
    Trouble::FlipStaged,
    Trouble::Loss,
    Trouble::Descriptors,
    Trouble::LoseQuorum,
    Trouble::Stall,
    Trouble::ReadOnly,
    Trouble::Clock,
    Trouble::Added,
    Trouble::OldId,
    Trouble::Removed,
];

impl Script {
    /// Consecutive numbers walk through every pair of trouble and step: twenty troubles have no factor in common
    /// with nine steps.
    pub fn of(seed: u64) -> Self {
        let troubles = TROUBLES.len() as u64;
        let steps = Step::ALL.len() as u64;
        let trouble = TROUBLES[(seed % troubles) as usize];
        let step = Step::ALL[((4 + seed) % steps) as usize];
        let mut random = Random::new(seed);
        let release = if random.below(100) < 55 {
            Kind::Sound
        } else {
            BAD[random.below(BAD.len() as u64) as usize]
        };
        let whose = match random.below(3) {
            0 => Whose::InHand,
            1 => Whose::Leader,
            _ => Whose::Other,
        };
        // A bad release comes no further than the first node, and all are staged at once.
        let passed = match random.below(3) {
            passed if release.is_sound() && step != Step::Staging => passed,
            _ => 0,
        };
        let back = random.below(100) < 70;
        Self {
            seed,
            release,
            trouble,
            step,
            passed,
            whose,
            back: (release == Kind::IgnoreTerm || back) && trouble.keeps_backups(),
            haproxy: seed % 5 == 4,
        }
    }
}

impl Kind {
    /// In the text form of the reference node; `None`: nothing is wrong with the file.
    pub const fn fault(self) -> Option<&'static str> {
        match self {
            Self::SlowHealth => Some("slow-health=500"),
            Self::CrashAtStart => Some("crash-at-start"),
            Self::HangAtStart => Some("hang-at-start"),
            Self::DiesSoon => Some("exit-after=1500"),
            Self::WrongVersion => Some("wrong-version=0.0.9"),
            Self::NeverHealthy => Some("never-healthy"),
            Self::Flapping => Some("flapping=300"),
            Self::IgnoreTerm => Some("ignore-term"),
            Self::Sound | Self::OriginShort | Self::OriginMissing | Self::OriginOther => None,
        }
    }

    pub const fn is_sound(self) -> bool {
        matches!(self, Self::Sound | Self::SlowHealth | Self::IgnoreTerm)
    }

    /// It takes a database away that has let clients in.
    pub const fn harms_clients(self) -> bool {
        matches!(self, Self::DiesSoon)
    }
}

impl Trouble {
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillDaemon => "kill_daemon",
            Self::KillDatabase => "kill_database",
            Self::Freeze => "freeze",
            Self::FreezeTwo => "freeze_two",
            Self::LoseQuorum => "lose_quorum",
            Self::CutOff => "cut_off",
            Self::CutOneWay => "cut_one_way",
            Self::CutPair => "cut_pair",
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::SickHealth => "sick_health",
            Self::FlipStaged => "flip_staged",
            Self::Descriptors => "descriptors",
            Self::Wiped => "wiped",
            Self::Stall => "stall",
            Self::ReadOnly => "read_only",
            Self::Clock => "clock",
            Self::Added => "added",
            Self::OldId => "old_id",
            Self::Removed => "removed",
        }
    }

    /// Who joins anew has nothing to go back to.
    pub const fn keeps_backups(self) -> bool {
        !matches!(self, Self::OldId | Self::Removed)
    }

    /// Whether a plan whose release is sound may fail by it.
    pub const fn may_fail_plan(self) -> bool {
        matches!(
            self,
            Self::KillDatabase
                | Self::LoseQuorum
                | Self::SickHealth
                | Self::FlipStaged
                | Self::Descriptors
                | Self::ReadOnly
        )
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "round {}: {:?}, {} of {:?} at {} of node {}{}{}",
            self.seed,
            self.release,
            self.trouble.name(),
            self.whose,
            self.step,
            self.passed + 1,
            if self.back { ", then back" } else { "" },
            if self.haproxy { ", behind HAProxy" } else { "" }
        )
    }
}

#[test]
fn consecutive_rounds_meet_every_pair_and_most_upgrades_go_back() {
    let count = TROUBLES.len() * Step::ALL.len();
    let rounds: Vec<Script> = (0..count as u64).map(Script::of).collect();
    let pairs: std::collections::BTreeSet<_> = rounds
        .iter()
        .map(|round| (round.trouble, round.step.name()))
        .collect();
    assert_eq!(pairs.len(), count);
    let back = rounds.iter().filter(|round| round.back).count();
    assert!(back * 2 > count, "{back} of {count}");
    assert!(
        super::ORDINARY
            .iter()
            .all(|seed| !Script::of(*seed).haproxy)
    );
    for kind in BAD {
        assert!(rounds.iter().any(|round| round.release == kind), "{kind:?}");
    }
}

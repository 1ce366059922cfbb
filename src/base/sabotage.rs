//! Bugs planted on purpose, so that the nets can show that they would notice them. Only a build with the feature
//! `sabotage` can have one, and only a process that was told so by its environment has it.

/// The variable that names the bug.
#[cfg(feature = "sabotage")]
pub const VARIABLE: &str = "AEGIS_UPDATES_SABOTAGE";
/// The variable that has an image built each so many entries: by default none comes within a test's time.
pub const IMAGE_EVERY: &str = "AEGIS_UPDATES_IMAGE_EVERY";

pub fn image_every() -> Option<u64> {
    std::env::var(IMAGE_EVERY).ok()?.parse().ok()
}

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident = $name:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $bug,)*
        }

        impl Bug {
            pub const ALL: &[Self] = &[$(Self::$bug,)*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)*
                }
            }
        }
    };
}

bugs! {
    /// Databases stay ready and undrained until they are stopped.
    SkipDrain = "skip-drain",
    /// The leader's node is taken first, and leadership is not handed over.
    LeaderFirst = "leader-first",
    /// A healthy answer counts whatever version it reports.
    NoHealthVersion = "no-health-version",
    /// The majority is that of the voters that answer, not of those configured.
    AliveVotersCounted = "alive-voters-counted",
    /// A first begin is accepted in another term than its take's.
    AnyTermBegins = "any-term-begins",
    /// Every change of leader counts as a loss of quorum.
    LeaderChangeIsLoss = "leader-change-is-loss",
    /// The way back of an unhealthy node waits for a free slot, in the log.
    SickWaitsForSlot = "sick-waits-for-slot",
    /// A leader that gives a node up for late frees its slot.
    TimeoutFreesSlot = "timeout-frees-slot",
    /// `run` moves by the wall clock.
    WallClockDeadlines = "wall-clock-deadlines",
    /// A host's answer to an older generation counts as one to the newest.
    OldGenerationAnswers = "old-generation-answers",
    /// A begin that was granted is good for ever, also after a freeze.
    LeaseIgnored = "lease-ignored",
    /// Neither the leader nor the log counts the slots that are held.
    SlotUnchecked = "slot-unchecked",
    /// The way back of an unhealthy node passes the gates of a healthy one.
    RollbackUnderNormalGates = "rollback-under-normal-gates",
    /// A grant counts for any attempt of its generation.
    AnyAttempt = "any-attempt",
    /// Databases are lost for good when the longest lost of them is.
    LongestLossCounts = "longest-loss-counts",
    /// The leader decides without a majority behind it.
    QuorumAckIgnored = "quorum-ack-ignored",
    /// A node of which nothing is known blocks no other.
    UnknownIsSafe = "unknown-is-safe",
    /// A host passes the boundary without a second begin.
    NoSecondBegin = "no-second-begin",
    /// A healthy database that is still kept from traffic frees its slot.
    DrainedFreesSlot = "drained-frees-slot",
    /// Any answer frees the slot, healthy or not.
    SicknessFreesSlot = "sickness-frees-slot",
    /// A begin is accepted while its plan is paused, cancelled or over.
    AnyPlanBegins = "any-plan-begins",
    /// A node that was skipped or has failed may begin all the same.
    SkippedBegins = "skipped-begins",
    /// A node's way back is what it says last, not what it ran before the plan.
    WayBackMoves = "way-back-moves",
    /// A write is not recognised when it is sent again.
    KeysForgotten = "keys-forgotten",
    /// What members read is their own state, behind or not.
    StaleReads = "stale-reads",
    /// A binary is used whatever its digest.
    DigestNotVerified = "digest-not-verified",
    /// A rename is taken for durable before its directory is synced.
    RenameNotSynced = "rename-not-synced",
    /// A file is renamed into place before its bytes are synced.
    BytesNotSynced = "bytes-not-synced",
    /// A host's begin is appended on the gates of its take; nobody looks again.
    BeginGatesUnchecked = "begin-gates-unchecked",
    /// Pause, cancel, skip and timeout put a node back also past its second begin.
    StandDownPastBoundary = "stand-down-past-boundary",
    /// Any `last_seen` proves that a node rejoined, also one from before its stop.
    StaleRejoin = "stale-rejoin",
    /// An updated node whose host is silent for `health_grace` counts as unhealthy, and fails.
    SilenceIsSickness = "silence-is-sickness",
    /// A rollback of single nodes ends as RolledBack though others stay on the new release.
    MixedIsRolledBack = "mixed-is-rolled-back",
}

impl Bug {
    /// True when this process has the bug.
    #[cfg(feature = "sabotage")]
    pub fn is_planted(self) -> bool {
        static PLANTED: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
        *PLANTED.get_or_init(|| {
            let named = std::env::var(VARIABLE).ok()?;
            Self::ALL.iter().find(|bug| bug.name() == named).copied()
        }) == Some(self)
    }

    #[cfg(not(feature = "sabotage"))]
    pub const fn is_planted(self) -> bool {
        false
    }
}

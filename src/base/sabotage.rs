//! Bugs planted on purpose, so that the demo can show that it would notice them. Only a build with the
//! feature `sabotage` has this file, and only a process that was told so by its environment has a bug.

/// The variable that names the bug.
pub const VARIABLE: &str = "AEGIS_UPDATES_SABOTAGE";
/// The variable that has an image built each so many entries: by default none comes within a test's time.
pub const IMAGE_EVERY: &str = "AEGIS_UPDATES_IMAGE_EVERY";

pub fn image_every() -> Option<u64> {
    std::env::var(IMAGE_EVERY).ok()?.parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Databases stay ready and undrained until they are stopped.
    SkipDrain,
    /// The leader's node is taken first, and leadership is not handed over.
    LeaderFirst,
    /// A healthy answer counts whatever version it reports.
    NoHealthVersion,
}

impl Bug {
    pub const ALL: [Self; 3] = [Self::SkipDrain, Self::LeaderFirst, Self::NoHealthVersion];

    pub const fn name(self) -> &'static str {
        match self {
            Self::SkipDrain => "skip-drain",
            Self::LeaderFirst => "leader-first",
            Self::NoHealthVersion => "no-health-version",
        }
    }

    /// True when this process has the bug.
    pub fn is_planted(self) -> bool {
        std::env::var(VARIABLE).is_ok_and(|name| name == self.name())
    }
}

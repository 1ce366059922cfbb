//! Bugs planted in this floor on purpose, so that the nets can show that they would notice them. Only a build with the
//! feature `sabotage` can have one, and only a process that was told so by its environment has it.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Votes and entries are acknowledged before they are synced.
    LogNotSynced,
    /// How far the state got is written apart from the state, and before it.
    AppliedApart,
}

impl Bug {
    /// True when this process has the bug.
    #[cfg(feature = "sabotage")]
    pub(crate) fn is_planted(self) -> bool {
        use std::sync::OnceLock;

        static PLANTED: OnceLock<Option<String>> = OnceLock::new();
        let named = match self {
            Self::LogNotSynced => "log-not-synced",
            Self::AppliedApart => "applied-apart",
        };
        let planted = PLANTED.get_or_init(|| std::env::var("AEGIS_UPDATES_SABOTAGE").ok());
        planted.as_deref() == Some(named)
    }

    #[cfg(not(feature = "sabotage"))]
    pub(crate) const fn is_planted(self) -> bool {
        false
    }
}

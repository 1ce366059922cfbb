//! The grammar of `demo`. What it shows is on the floor above.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[cfg(feature = "sabotage")]
use crate::base::sabotage::Bug;

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Executable of the reference database, which `cargo xtask demo` builds
    #[arg(long, required_unless_present = "check")]
    pub reference_node: Option<PathBuf>,
    /// Play this act only, on a cluster of its own; d plays a first, since it takes it back
    #[arg(long)]
    pub act: Option<ActName>,
    /// Leave the directory with configurations, logs and data behind
    #[arg(long)]
    pub keep: bool,
    /// Judge a record that a run of real daemons left behind, and play nothing
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    /// Plant a bug in every daemon and play one act, which then must end otherwise
    #[cfg(feature = "sabotage")]
    #[arg(long, value_parser = bug)]
    pub sabotage: Option<Bug>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ActName {
    /// A roll.
    A,
    /// A release that is bad on the second node.
    B,
    /// The leader's daemon is killed in the middle.
    C,
    /// A finished roll is taken back.
    D,
}

/// Those that one roll brings to light.
#[cfg(feature = "sabotage")]
const SHOWN: [Bug; 3] = [Bug::SkipDrain, Bug::LeaderFirst, Bug::NoHealthVersion];

#[cfg(feature = "sabotage")]
fn bug(text: &str) -> Result<Bug, String> {
    let found = SHOWN.into_iter().find(|bug| bug.name() == text);
    found.ok_or_else(|| format!("choose one of {}", SHOWN.map(Bug::name).join(", ")))
}

//! The command line, which is the real database's where it has the flag too, and the environment.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::peers::Rhythm;

/// A small key-value database with the interface of Aegis, for tests and the demo.
///
/// Version and fault come from a trailer that `mint` appends to a copy of this executable. Faults:
/// none, crash-at-start, hang-at-start, exit-after=MS, unhealthy-after=MS, wrong-version=VERSION,
/// ignore-term, keep-port=MS, slow-stop=MS, never-healthy, garbage-health, flapping=MS, lying-health,
/// slow-health=MS, changes-format. POST /fault {"fault": "…"} changes those of a running node.
///
/// Environment: REFERENCE_FAULT (instead of the trailer's), REFERENCE_JOIN_MS (2000),
/// REFERENCE_HEARTBEAT_MS (5000), REFERENCE_USERNAME and REFERENCE_PASSWORD (login is needed when both
/// are set).
#[derive(Parser)]
#[command(
    name = "reference-node",
    args_conflicts_with_subcommands = true,
    verbatim_doc_comment
)]
pub struct Options {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: Serve,
}

#[derive(Subcommand)]
pub enum Command {
    /// Write a copy of this executable that is another release.
    Mint(Mint),
    /// Hold the listening socket given as standard input after the parent's exit.
    #[command(hide = true)]
    HoldPort { ms: u64 },
}

#[derive(Args)]
pub struct Serve {
    /// Address to listen on.
    #[arg(short = 'H', long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 lets the kernel choose, and the log says which.
    #[arg(short, long, default_value_t = 9090)]
    pub port: u16,
    /// Directory for the data.
    #[arg(short, long, default_value = "reference-data")]
    pub data_dir: PathBuf,
    /// Unique id of this node.
    #[arg(long, default_value = "node-0")]
    pub node_id: String,
    /// Name to show.
    #[arg(long)]
    pub node_name: Option<String>,
    /// Nodes to join: host:port,host:port
    #[arg(long, value_delimiter = ',')]
    pub peers: Vec<String>,
}

#[derive(Args)]
pub struct Mint {
    /// The version that the release reports.
    #[arg(long)]
    pub version: String,
    #[arg(long, default_value = "none")]
    pub fault: String,
    /// Any text: releases that differ only here have different digests.
    #[arg(long, default_value = "")]
    pub salt: String,
    /// The fault strikes only on this node id (repeatable).
    #[arg(long)]
    pub only_node: Vec<String>,
    /// The fault strikes only from this start of a node on.
    #[arg(long, default_value_t = 0)]
    pub from_start: u64,
    /// The file to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// What the environment says.
pub struct Environment {
    pub fault: Option<String>,
    pub rhythm: Rhythm,
    pub user: Option<(String, String)>,
}

impl Environment {
    pub fn read() -> Result<Self, String> {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let ms = |name: &str, default: u64| match text(name) {
            None => Ok(Duration::from_millis(default)),
            Some(text) => match text.parse() {
                Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
                _ => Err(format!(
                    "{name} is `{text}`: give a number of milliseconds above 0"
                )),
            },
        };
        Ok(Self {
            fault: text("REFERENCE_FAULT"),
            rhythm: Rhythm {
                join_after: ms("REFERENCE_JOIN_MS", 2_000)?,
                beat_every: ms("REFERENCE_HEARTBEAT_MS", 5_000)?,
            },
            user: text("REFERENCE_USERNAME").zip(text("REFERENCE_PASSWORD")),
        })
    }
}

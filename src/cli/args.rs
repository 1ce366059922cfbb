//! The grammar of the command line. Says nothing of what the verbs do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::cluster::ClusterVerb;
use super::demo::DemoArgs;
use super::journal::JournalVerb;
use super::node::NodeVerb;
use super::plan::PlanVerb;
use super::roll::RollArgs;
use super::token::TokenVerb;
use crate::base::duration::Millis;

/// Rolling updates for quorum databases, without downtime.
#[derive(Debug, Parser)]
#[command(name = "aegis-updates", version)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// A member: https://host:port, or unix:/path of a control socket. Several: a lost one is replaced
    #[arg(
        long,
        global = true,
        env = "AEGIS_UPDATES_ENDPOINT",
        value_delimiter = ','
    )]
    pub endpoint: Vec<String>,
    /// A context of ~/.config/aegis-updates/cli.toml
    #[arg(long, global = true, env = "AEGIS_UPDATES_CONTEXT")]
    pub context: Option<String>,
    /// The file that holds the token's secret
    #[arg(long, global = true, env = "AEGIS_UPDATES_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// How results are printed
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Format,
    /// Where reads are answered from; absent: linearizable, local without a leader
    #[arg(long, global = true, value_enum)]
    pub consistency: Option<Consistency>,
    /// How long to wait for an answer (10s), or for the end of a watch (for ever)
    #[arg(long, global = true)]
    pub timeout: Option<Millis>,
    /// Do not ask
    #[arg(long, global = true)]
    pub yes: bool,
    /// Why; stands in the journal
    #[arg(long, global = true)]
    pub reason: Option<String>,
    /// Makes repeating this very command harmless, also days later
    #[arg(long, global = true)]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
    Yaml,
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Consistency {
    Linearizable,
    Local,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a plan, preview it, ask, execute and watch it
    Roll(RollArgs),
    /// Take a plan back: a live one turns, a final one is followed by a plan of kind rollback
    Rollback {
        /// The live plan, else the newest, where absent
        plan: Option<String>,
    },
    /// The cluster, its nodes, and the live plan or else the newest
    Status,
    /// What a plan waits for, and what would help
    Explain {
        /// The live plan, else the newest, where absent
        plan: Option<String>,
    },
    /// Follow a plan until it ends or needs somebody
    Watch {
        /// The live plan, else the newest, where absent
        plan: Option<String>,
    },
    /// The version of every node, and of this program
    Version,
    /// Plans
    #[command(subcommand)]
    Plan(PlanVerb),
    /// Nodes
    #[command(subcommand)]
    Node(NodeVerb),
    /// The cluster's members and leader
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Access tokens
    #[command(subcommand)]
    Token(TokenVerb),
    /// The audit journal
    #[command(subcommand)]
    Journal(JournalVerb),
    /// The daemon's configuration file
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Run the daemon of this host
    Serve(ServeArgs),
    /// The resident parent of a supervised database; started by the daemon, not by people
    #[command(hide = true)]
    RunDatabase {
        #[arg(long, default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
    /// Roll a cluster of this machine's own, and show it
    Demo(DemoArgs),
    /// Completions for a shell, to stdout
    Completions { shell: clap_complete::Shell },
}

/// Where the daemon's file lies.
pub const DEFAULT_CONFIG: &str = "/etc/aegis-updates/config.toml";

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[arg(long, default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// The file that holds a join token; used while this host belongs to no cluster
    #[arg(long)]
    pub join: Option<PathBuf>,
    /// Instead of `node.data_dir`
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Instead of `listen.api`
    #[arg(long)]
    pub listen: Option<std::net::SocketAddr>,
    /// Allow an API listener beyond loopback without TLS
    #[arg(long)]
    pub insecure_plaintext: bool,
}

#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Read the file and the environment, and name every problem
    Check {
        #[arg(long, default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
    /// Print a commented example
    Example,
    /// Print what is in force, defaults and environment included
    Show {
        #[arg(long, default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
}

impl Consistency {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::Local => "local",
        }
    }
}

//! The command line: one file per noun. Data goes to stdout, progress and questions to stderr. Verbs that
//! need the daemon's own files or processes are named here and carried out on the floor above.

mod args;
pub mod exit;

mod confirm;
mod endpoint;
mod output;
pub mod say;

mod strategy;

mod cluster;
mod demo;
mod journal;
mod node;
mod plan;
mod roll;
mod token;
mod top;
mod watch;

pub use args::{Cli, ConfigVerb, Format, Globals, ServeArgs, Verb};
pub use cluster::ClusterVerb;
pub use demo::{ActName, DemoArgs};
pub use exit::Exit;

use clap::CommandFactory as _;

use crate::client::Client;
use exit::Failure;
use say::note;

/// What every verb works with.
struct Session {
    client: Client,
    globals: Globals,
}

type Done = Result<Exit, Failure>;

/// Carries out a verb that speaks with a cluster; prints what went wrong.
pub async fn run(globals: Globals, verb: Verb) -> Exit {
    let outcome = match verb {
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "aegis-updates", &mut script);
            say::data(String::from_utf8_lossy(&script).trim_end());
            return Exit::Reached;
        }
        verb => match endpoint::session(globals) {
            Ok(session) => dispatch(&session, verb).await,
            Err(failure) => Err(failure),
        },
    };
    outcome.unwrap_or_else(|failure| {
        note!("{failure}");
        failure.exit()
    })
}

async fn dispatch(session: &Session, verb: Verb) -> Done {
    match verb {
        Verb::Roll(args) => roll::roll(session, args).await,
        Verb::Rollback { plan } => roll::rollback(session, plan).await,
        Verb::Status => top::status(session).await,
        Verb::Explain { plan } => top::explain(session, plan).await,
        Verb::Watch { plan } => top::watch(session, plan).await,
        Verb::Version => top::version(session).await,
        Verb::Plan(verb) => plan::run(session, verb).await,
        Verb::Node(verb) => node::run(session, verb).await,
        Verb::Cluster(verb) => cluster::run(session, verb).await,
        Verb::Token(verb) => token::run(session, verb).await,
        Verb::Journal(verb) => journal::run(session, verb).await,
        Verb::Config(_)
        | Verb::Serve(_)
        | Verb::RunDatabase { .. }
        | Verb::Demo(_)
        | Verb::Completions { .. } => {
            Err(Failure::usage("this verb does not speak with a cluster"))
        }
    }
}

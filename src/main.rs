//! The one binary: reads the command line and hands it to the floor that can carry it out.

use std::process::ExitCode;

use aegis_updates::cli::{self, Cli, ClusterVerb, Exit, Verb};
use aegis_updates::{config, daemon, demo};
use clap::Parser as _;

pub fn main() -> ExitCode {
    let Cli { globals, verb } = Cli::parse();
    let exit = match verb {
        Verb::Config(verb) => config::command::run(&verb),
        Verb::Serve(args) => on_runtime(daemon::command::serve(args)),
        Verb::RunDatabase { config } => on_runtime(daemon::command::run_database(&config)),
        Verb::Cluster(ClusterVerb::Init { config }) => daemon::command::init(&config, &globals),
        Verb::Cluster(ClusterVerb::Join {
            config,
            join_token_file,
        }) => on_runtime(daemon::command::join(&config, &join_token_file, &globals)),
        Verb::Demo(args) => on_runtime(demo::driver::run(args)),
        verb => on_runtime(cli::run(globals, verb)),
    };
    exit.into()
}

fn on_runtime(work: impl Future<Output = Exit>) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("error: no runtime could be started: {error}");
            Exit::Internal
        }
    }
}

//! The one binary: reads the command line and hands it to the floor that can carry it out.

use std::process::ExitCode;

use aegis_updates::cli::{self, Cli, Exit, Verb};
use aegis_updates::config;
use clap::Parser as _;

fn main() -> ExitCode {
    let Cli { globals, verb } = Cli::parse();
    let exit = match verb {
        Verb::Config(verb) => config::command::run(&verb),
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

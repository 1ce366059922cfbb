//! The reference node: a small but real HTTP key-value database with the part of Aegis's interface
//! that the updater uses, and with faults on demand. Tests and the demo roll it instead of the real
//! one. It uses nothing of the product, and the product uses nothing of it.

mod auth;
mod call;
mod cluster;
mod fault;
mod health;
mod kv;
mod node;
mod options;
mod peers;
mod record;
mod routes;
mod say;
mod serve;
mod store;
mod trailer;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::options::{Command, Environment, Mint, Options};
use crate::say::say;
use crate::trailer::Release;

#[expect(
    clippy::disallowed_methods,
    reason = "the child that holds a port has nothing to do but to wait"
)]
fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.command {
        Some(Command::Mint(mint)) => mint_release(mint),
        Some(Command::HoldPort { ms }) => {
            std::thread::sleep(Duration::from_millis(ms));
            Ok(())
        }
        None => serve_forever(options.serve),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            say(&what);
            ExitCode::FAILURE
        }
    }
}

fn mint_release(mint: Mint) -> Result<(), String> {
    mint.fault.parse::<fault::Fault>()?;
    let release = Release {
        version: mint.version,
        fault: mint.fault,
        salt: mint.salt,
        only_nodes: mint.only_node,
        from_start: mint.from_start,
    };
    trailer::mint(Path::new("/proc/self/exe"), &mint.out, &release).map_err(|error| explain(&error))
}

fn serve_forever(options: options::Serve) -> Result<(), String> {
    let release = trailer::read(Path::new("/proc/self/exe")).map_err(|error| explain(&error))?;
    let environment = Environment::read()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // A handful of requests at a time; three nodes share one small machine in the demo.
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| format!("cannot start the runtime: {source}"))?;
    runtime.block_on(serve::run(release, options, environment))
}

fn explain(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The wall clock; the interface dates peers and entries by it.
#[expect(
    clippy::disallowed_methods,
    reason = "a database of its own, apart from the product and its clocks"
)]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

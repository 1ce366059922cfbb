//! The real database under the real daemons, behind a real HAProxy: `cargo xtask aegis` runs it. Stage,
//! traffic, observer and report are the demo's. Stays outside continuous integration, since it needs
//! programs that are not of this repository.

mod acts;
mod files;
mod rounds;

use std::path::PathBuf;
use std::process::ExitCode;

use aegis_updates::base::duration::Millis;
use aegis_updates::demo::clock::Clock;
use aegis_updates::demo::cluster::{Cluster, Tools};
use aegis_updates::demo::error::Error;
use aegis_updates::demo::live::say;
use aegis_updates::demo::releases::Release;
use aegis_updates::demo::report;
use aegis_updates::demo::timings::Timings;
use clap::Parser;

#[derive(Debug, Parser)]
struct Options {
    /// Executable of aegis-updates
    #[arg(long)]
    updater: PathBuf,
    /// VERSION=PATH of the aegis-server that every node begins with
    #[arg(long, value_parser = release)]
    old: Release,
    /// VERSION=PATH of the aegis-server that is rolled out
    #[arg(long, value_parser = release)]
    new: Release,
    /// Leave the directory with configurations, logs and data behind
    #[arg(long)]
    keep: bool,
    /// Instead of the acts, as many rounds forth and back, the leader's daemon killed in every second one
    #[arg(long)]
    rounds: Option<usize>,
    /// Number of the first round
    #[arg(long, default_value_t = 0, requires = "rounds")]
    from: usize,
}

/// The waits for balancers are the product's defaults, which HAProxy's defaults ask for; the real
/// database greets its peers every 5 s only.
const TIMINGS: Timings = Timings {
    drain_grace: Millis::seconds(7),
    ready_settle: Millis::seconds(5),
    verify: Millis::seconds(20),
    rejoin: Millis::seconds(60),
    soak: Millis::seconds(2),
    ..Timings::DEMO
};

/// About the slowest look of a balancer that the product's default `drain_grace` covers.
pub const AGENT_EVERY: Millis = Millis::seconds(5);

#[tokio::main]
async fn main() -> ExitCode {
    let ended = tokio::select! {
        ended = play(Options::parse()) => ended,
        _ = tokio::signal::ctrl_c() => Err(Error("stopped by Ctrl-C".to_owned())),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the run could not go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// True when everything was as it should be.
async fn play(options: Options) -> Result<bool, Error> {
    for (name, release) in [("old", &options.old), ("new", &options.new)] {
        say(&format!(
            "{name}: aegis-server {}, SHA-256 {}",
            release.version, release.sha256
        ));
    }
    say(&TIMINGS.to_string());
    let tools = Tools {
        updater: options.updater,
        // Nothing is minted here.
        reference_node: PathBuf::new(),
        timings: TIMINGS,
        clock: Clock::start(),
        environment: Vec::new(),
    };
    if let Some(count) = options.rounds {
        let releases = (&options.old, &options.new);
        return rounds::play(&tools, releases, (options.from, count), options.keep).await;
    }
    let mut cluster = Cluster::form_with(tools, &options.old).await?;
    let acts = acts::play(&mut cluster, &options.new).await;
    if acts.is_err() || options.keep {
        say(&format!("kept: {}", cluster.keep().display()));
    }
    let acts = acts?;
    say("");
    say(report::render(&acts).trim_end());
    Ok(report::is_as_it_should_be(&acts))
}

fn release(text: &str) -> Result<Release, String> {
    let (version, path) = text.split_once('=').ok_or("it is not VERSION=PATH")?;
    let path = std::path::absolute(path).map_err(|why| why.to_string())?;
    Release::of(version, &path).map_err(|why| why.to_string())
}

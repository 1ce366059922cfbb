//! `aegis-updates demo`: forms a cluster, plays the acts, prints the report, and ends everything it
//! began. Its status is 0 only when every verdict is good.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::act::Act;
use super::acts::{self, Played};
use super::clock::Clock;
use super::cluster::{Cluster, Tools};
use super::error::Error;
use super::live::say;
use super::releases::Recipe;
use super::report;
use super::scene::{CONNECTIONS, RATE_PER_S};
use super::timings::Timings;
#[cfg(feature = "sabotage")]
use crate::base::sabotage::{self, Bug};

/// Rolls a real cluster of three daemons and three databases on this machine, and shows it.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Executable of the reference database, which `cargo xtask demo` builds.
    #[arg(long)]
    pub reference_node: PathBuf,
    /// Play this act only, on a cluster of its own.
    #[arg(long)]
    pub act: Option<Name>,
    /// Leave the directory with configurations, logs and data behind.
    #[arg(long)]
    pub keep: bool,
    /// Plant a bug and play one act, which then must end otherwise.
    #[cfg(feature = "sabotage")]
    #[arg(long, value_parser = bug)]
    pub sabotage: Option<Bug>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// A roll.
    A,
    /// A release that is bad on the second node.
    B,
    /// The leader's daemon is killed in the middle.
    C,
    /// A finished roll is taken back.
    D,
}

pub async fn run(options: Options) -> ExitCode {
    let ended = tokio::select! {
        ended = play(&options) => ended,
        name = stopped() => Err(Error(format!("stopped by {name}"))),
    };
    match ended {
        Ok(acts) => {
            say("");
            say(report::render(&acts).trim_end());
            if report::is_as_it_should_be(&acts) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            say(&format!("the demo could not go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn play(options: &Options) -> Result<Vec<Act>, Error> {
    let tools = tools(options)?;
    say(&tools.timings.to_string());
    say(&format!(
        "load: {RATE_PER_S} requests/s on {CONNECTIONS} connections through a balancer that obeys /ready and never retries"
    ));
    let mut cluster = Cluster::form(tools, &Recipe::sound("1.0.0")).await?;
    let acts = play_on(&mut cluster, options).await;
    if acts.is_err() || options.keep {
        say(&format!("kept: {}", cluster.keep().display()));
    }
    acts
}

async fn play_on(cluster: &mut Cluster, options: &Options) -> Result<Vec<Act>, Error> {
    #[cfg(feature = "sabotage")]
    if let Some(bug) = options.sabotage {
        say(&format!("planted in every daemon: {}", bug.name()));
        return Ok(vec![acts::roll(cluster, &betrayed_by(bug)).await?.act]);
    }
    let first = Recipe::sound("1.1.0");
    let played = match options.act {
        Some(Name::A) => vec![acts::roll(cluster, &first).await?],
        Some(Name::B) => vec![acts::bad_second(cluster).await?],
        Some(Name::C) => vec![acts::leader_killed(cluster).await?],
        Some(Name::D) => {
            let rolled = acts::roll(cluster, &first).await?;
            let back = acts::taken_back(cluster, &rolled).await?;
            vec![rolled, back]
        }
        None => {
            let mut played = vec![acts::roll(cluster, &first).await?];
            played.push(acts::bad_second(cluster).await?);
            let rolled = acts::leader_killed(cluster).await?;
            let back = acts::taken_back(cluster, &rolled).await?;
            played.extend([rolled, back]);
            played
        }
    };
    Ok(played
        .into_iter()
        .map(|played: Played| played.act)
        .collect())
}

fn tools(options: &Options) -> Result<Tools, Error> {
    let updater = std::env::current_exe().map_err(Error::at("find", "this executable"))?;
    let reference_node = std::path::absolute(&options.reference_node)
        .map_err(Error::at("find", options.reference_node.display()))?;
    let environment = Vec::new();
    #[cfg(feature = "sabotage")]
    let environment = match options.sabotage {
        Some(bug) => vec![(sabotage::VARIABLE.to_owned(), bug.name().to_owned())],
        None => environment,
    };
    Ok(Tools {
        updater,
        reference_node,
        timings: Timings::DEMO,
        clock: Clock::start(),
        environment,
    })
}

/// A release in which the bug shows.
#[cfg(feature = "sabotage")]
fn betrayed_by(bug: Bug) -> Recipe {
    match bug {
        Bug::SkipDrain | Bug::LeaderFirst => Recipe::sound("1.1.0"),
        Bug::NoHealthVersion => Recipe::faulty("1.1.0", "wrong-version=1.0.9"),
    }
}

#[cfg(feature = "sabotage")]
fn bug(text: &str) -> Result<Bug, String> {
    let found = Bug::ALL.into_iter().find(|bug| bug.name() == text);
    found.ok_or_else(|| format!("choose one of {}", Bug::ALL.map(Bug::name).join(", ")))
}

/// Returns at Ctrl-C or a request to end; whoever waits beside it is dropped, and everything with it.
async fn stopped() -> &'static str {
    let kinds = (SignalKind::interrupt(), SignalKind::terminate());
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(kinds.0), signal(kinds.1)) else {
        // Without them the signals end this process as they would any other.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "Ctrl-C",
        _ = terminate.recv() => "SIGTERM",
    }
}

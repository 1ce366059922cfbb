//! `aegis-updates demo`: forms a cluster, plays the acts, prints the report, and ends everything it
//! began. Its status is 0 only when every verdict is good.

use tokio::signal::unix::{SignalKind, signal};

use super::act::Act;
use super::acts::{self, Played};
use super::check;
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
use crate::cli::{ActName, DemoArgs, Exit};

pub async fn run(options: DemoArgs) -> Exit {
    if let Some(path) = &options.check {
        return check::run(path);
    }
    let ended = tokio::select! {
        ended = play(&options) => ended,
        name = stopped() => Err(Error(format!("stopped by {name}"))),
    };
    match ended {
        Ok(acts) => {
            say("");
            say(report::render(&acts).trim_end());
            if report::is_as_it_should_be(&acts) {
                Exit::Reached
            } else {
                Exit::Internal
            }
        }
        Err(error) => {
            say(&format!("the demo could not go on: {error}"));
            Exit::Internal
        }
    }
}

async fn play(options: &DemoArgs) -> Result<Vec<Act>, Error> {
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

async fn play_on(cluster: &mut Cluster, options: &DemoArgs) -> Result<Vec<Act>, Error> {
    #[cfg(feature = "sabotage")]
    if let Some(bug) = options.sabotage {
        say(&format!("planted in every daemon: {}", bug.name()));
        return Ok(vec![acts::roll(cluster, &betrayed_by(bug)).await?.act]);
    }
    let first = Recipe::sound("1.1.0");
    let played = match options.act {
        Some(ActName::A) => vec![acts::roll(cluster, &first).await?],
        Some(ActName::B) => vec![acts::bad_second(cluster).await?],
        Some(ActName::C) => vec![acts::leader_killed(cluster).await?],
        Some(ActName::D) => {
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

fn tools(options: &DemoArgs) -> Result<Tools, Error> {
    let updater = std::env::current_exe().map_err(Error::at("find", "this executable"))?;
    let reference_node = options.reference_node.clone().unwrap_or_default();
    let reference_node = std::path::absolute(&reference_node)
        .map_err(Error::at("find", reference_node.display()))?;
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
        Bug::NoHealthVersion => Recipe::faulty("1.1.0", "wrong-version=1.0.9"),
        _ => Recipe::sound("1.1.0"),
    }
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

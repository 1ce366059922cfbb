//! Clusters that can be replayed: the real openraft, store, network code, reconcilers and drivers of three or five
//! members on turmoil's hosts, in one thread, all chance and all time from a seed. What befalls them, and what is
//! judged, is the chaos net's. `SEEDS` and `FROM` choose; `TRACE=1` tells of each seed.

#[path = "../cluster/chaos/acts.rs"]
mod acts;
#[path = "../cluster/calls.rs"]
mod calls;
#[path = "../cluster/chaos/checks/mod.rs"]
mod checks;
#[path = "../cluster/chaos/clients.rs"]
mod clients;
#[path = "../cluster/chaos/daemon.rs"]
mod daemon;
#[path = "../cluster/chaos/fleet.rs"]
mod fleet;
#[path = "../cluster/chaos/forming.rs"]
mod forming;
mod ground;
#[path = "../cluster/chaos/history.rs"]
mod history;
#[path = "../simulation/world/host.rs"]
#[allow(dead_code)] // Another net's world uses the rest.
mod host;
mod member;
#[path = "../cluster/chaos/met.rs"]
mod met;
#[path = "../simulation/random.rs"]
mod random;
#[path = "../cluster/chaos/round.rs"]
mod round;
#[path = "../cluster/chaos/setting.rs"]
#[allow(dead_code)] // A calm round is another net's.
mod setting;
mod stage;
mod support;
#[path = "../cluster/chaos/traces.rs"]
mod traces;
#[path = "../cluster/chaos/trouble.rs"]
mod trouble;
#[path = "../cluster/chaos/watched.rs"]
mod watched;
#[path = "../cluster/chaos/weather.rs"]
mod weather;
#[path = "../cluster/chaos/world.rs"]
mod world;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use tracing_subscriber::EnvFilter;

use self::met::Met;
use self::random::Random;
use self::setting::Setting;

const SEEDS_DEFAULT: u64 = 20;
/// From here on every kind of fault must have come.
const SEEDS_THAT_COVER: u64 = 500;

fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// Shorter and quieter than where time is real: what counts here is how many.
fn setting(seed: u64) -> Setting {
    Setting {
        troubles_ms: 8_000,
        clients: 3,
        pause_ms: (20, 150),
        ..Setting::draw(&mut Random::new(seed))
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "tells how long the seeds took; decides nothing"
)]
fn seeds() {
    let (from, count) = (number("FROM", 1), number("SEEDS", SEEDS_DEFAULT));
    // RUST_LOG shows what the members say.
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env());
    let _ = log.with_ansi(false).try_init();
    stage::listen();
    let began = Instant::now();
    let met = Arc::new(Met::default());
    let next = AtomicU64::new(from);
    let (tell, told) = channel();
    let mut failed = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..number("THREADS", 1) {
            let (tell, met, next) = (tell.clone(), met.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count {
                        break;
                    }
                    let ended = stage::play(seed, setting(seed), met.clone());
                    tell.send((seed, ended)).expect("somebody listens");
                }
            });
        }
        drop(tell);
        for (seed, ended) in told {
            if number("TRACE", 0) > 0 {
                eprintln!("seed {seed}: trace {} {}", ended.trace, ended.told);
            }
            if !ended.wrong.is_empty() {
                let again = format!("again: cargo xtask nets --seeds 1 --from {seed} replay");
                let what = format!(
                    "seed {seed}: {}\n{}\n{again}",
                    ended.told,
                    ended.wrong.join("\n")
                );
                eprintln!("{what}");
                failed.push(what);
            }
        }
    });
    let (violations, seconds) = (failed.len(), began.elapsed().as_secs());
    eprintln!("net replay: runs={count} violations={violations} seconds={seconds} {met}");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    if count >= SEEDS_THAT_COVER {
        let lacking = met.lacking(count);
        assert!(lacking.is_empty(), "too little was met: {lacking:#?}");
    }
}

/// In processes of their own, so that nothing that one run leaves behind can make the next one like it.
#[test]
fn a_seed_gives_the_same_trace_each_time() {
    let traces = || {
        let this = std::env::current_exe().expect("this program");
        let output = Command::new(this)
            .args(["--exact", "seeds", "--nocapture"])
            .envs([("SEEDS", "3"), ("FROM", "7001"), ("TRACE", "1")])
            .output()
            .expect("it runs again");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = said.lines().filter(|line| line.contains(": trace "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = traces();
    assert_eq!(first.len(), 3, "{first:?}");
    assert_eq!(first, traces());
    let hashes = first.iter().map(|line| line.split_whitespace().nth(3));
    let mut hashes: Vec<_> = hashes.collect();
    hashes.dedup();
    assert_eq!(hashes.len(), 3, "other seeds, other traces: {first:?}");
}

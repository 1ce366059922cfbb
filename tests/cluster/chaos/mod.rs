//! Chaos in one process: real members with RocksDB, their reconcilers and their hosts' drivers, on model
//! databases and a network that misbehaves. Rounds come from seeds; a seed's chances are the same each time,
//! its timing is not. `ROUNDS` and `FROM` choose them.

mod acts;
mod checks;
mod clients;
mod daemon;
mod fleet;
mod forming;
mod ground;
mod history;
#[path = "../../simulation/world/host.rs"]
#[allow(dead_code)] // Another net's world uses the rest.
mod host;
mod member;
mod met;
#[path = "../../simulation/random.rs"]
mod random;
mod round;
mod setting;
mod traces;
mod trouble;
mod watched;
mod weather;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing_subscriber::EnvFilter;

use self::met::Met;
use self::random::Random;
use self::setting::Setting;

/// One CI run: no violation in six rounds says little by itself; the long run is on demand.
const ROUNDS_DEFAULT: u64 = 6;
/// From here on every kind of fault must have come.
const ROUNDS_THAT_COVER: u64 = 200;
/// More than a round takes to form, to be troubled, and to come to rest: its members are all gone.
const ROUND_MAX: Duration = Duration::from_secs(600);
/// A round mostly waits.
const AT_ONCE_DEFAULT: u64 = 6;

fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds() {
    let (from, count) = (number("FROM", 1), number("ROUNDS", ROUNDS_DEFAULT));
    // RUST_LOG shows what the members say.
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env());
    let _ = log.with_ansi(false).try_init();
    let began = Instant::now();
    let met = Arc::new(Met::default());
    let places = Arc::new(Semaphore::new(number("AT_ONCE", AT_ONCE_DEFAULT) as usize));
    let mut running = JoinSet::new();
    for seed in from..from + count {
        let (met, places) = (met.clone(), places.clone());
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let setting = Setting::draw(&mut Random::new(seed));
            let round = move || {
                let bounded = async { timeout(ROUND_MAX, round::run(seed, setting, met)).await };
                Handle::current().block_on(bounded)
            };
            (seed, tokio::task::spawn_blocking(round).await)
        });
    }
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (seed, ended) = ended.unwrap();
        let wrong = match ended {
            Ok(Err(_)) => vec![format!("it did not end within {ROUND_MAX:?}")],
            Ok(Ok(ended)) => {
                eprintln!("seed {seed}: {}", ended.told);
                ended.wrong
            }
            Err(panicked) => vec![panicked.to_string()],
        };
        if !wrong.is_empty() {
            let again = format!(
                "again: ROUNDS=1 FROM={seed} cargo nextest run --test cluster chaos::rounds"
            );
            failed.push(format!("seed {seed}:\n{}\n{again}", wrong.join("\n")));
        }
    }
    let (violations, seconds) = (failed.len(), began.elapsed().as_secs());
    eprintln!("net cluster-chaos: runs={count} violations={violations} seconds={seconds} {met}");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    if count >= ROUNDS_THAT_COVER {
        eprintln!("{}", Met::least(count));
        let lacking = met.lacking(count);
        assert!(lacking.is_empty(), "too little was met: {lacking:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calm_round_completes_its_plans() {
    let met = Arc::new(Met::default());
    let wrong = round::run(1, Setting::calm(3), met.clone()).await.wrong;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(met.of("Completed") > 0, "{met}");
}

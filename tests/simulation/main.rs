//! The simulation: the real `apply`, `decide`, `begin::may` and `advance` in a world of model members, hosts,
//! clocks and faults, all from one seed. `SEEDS` and `FROM` choose the seeds; a failing one prints its command.

mod coverage;
mod explorer;
#[path = "invariants/fabricated.rs"]
mod fabricated;
mod faults;
mod invariants;
mod oracle;
mod random;
mod scenarios;
mod setting;
mod trace;
mod world;

use coverage::Coverage;
use random::Random;
use setting::Setting;
use world::World;

/// One CI run. No violation in 2,000 runs bounds the rate at about 3 / 2,000 = 0.15 % a seed.
const SEEDS_DEFAULT: u64 = 2_000;
/// From here on the coverage minima are asserted too.
const SEEDS_THAT_COVER: u64 = 2_000;

/// What one seed gave: its trace's hash, and what it met.
struct Run {
    hash: String,
    coverage: Coverage,
    failure: Option<String>,
}

fn run(seed: u64, keep_trace: bool) -> Run {
    let mut random = Random::new(seed);
    let setting = Setting::draw(&mut random.split());
    let mut world = World::new(random.next(), setting, keep_trace);
    world.form();
    world.run();
    let failure = world.oracle.violation().map(|violation| {
        let mut text = world.trace.tail().join("\n");
        text.push_str(&format!(
            "\n{:?}\n{:?}\n{}\n",
            world.setting.strategy,
            world.log.leader,
            invariants::i11::waits(&world)
        ));
        text.push_str(&format!(
            "seed {seed}: {}: {}",
            violation.invariant, violation.detail
        ));
        text
    });
    let mut coverage = std::mem::take(&mut world.coverage);
    coverage.seeds = 1;
    coverage.virtual_ms = world.now;
    for plan in world.oracle.state.plans.values() {
        *coverage
            .ends
            .entry(plan.status.name().to_owned())
            .or_default() += 1;
    }
    Run {
        hash: world.trace.digest(),
        coverage,
        failure,
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "only to say how long it took")]
fn seeds() {
    let began = std::time::Instant::now();
    let (from, count) = (number("FROM", 1), number("SEEDS", SEEDS_DEFAULT));
    let (coverage, failed) = run_all(from, count);
    println!("{coverage}");
    println!("{}", coverage.line(failed.len(), began.elapsed().as_secs()));
    let shown = number("FAILURES", 3) as usize;
    let told: Vec<String> = failed
        .iter()
        .take(shown)
        .map(|seed| run_again(*seed))
        .collect();
    assert!(failed.is_empty(), "{}\nfailed: {failed:?}", told.join("\n"));
    if count >= SEEDS_THAT_COVER {
        println!("{}", coverage.least());
        let lacking = coverage.lacking();
        assert!(
            lacking.is_empty(),
            "the seeds did not travel far enough: {lacking:#?}"
        );
    }
}

/// All seeds, spread over the cores; what they met is added up in no order that matters.
fn run_all(from: u64, count: u64) -> (Coverage, Vec<u64>) {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let work = |worker: u64| {
        let mut coverage = Coverage::default();
        let mut failed = Vec::new();
        for seed in (from + worker..from + count).step_by(workers as usize) {
            // A panic in the product is a failure of its seed, not the end of all seeds.
            match std::panic::catch_unwind(|| run(seed, false)) {
                Ok(run) => {
                    coverage.add(&run.coverage);
                    failed.extend(run.failure.map(|_| seed));
                }
                Err(_) => failed.push(seed),
            }
        }
        (coverage, failed)
    };
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || work(worker)))
            .collect();
        for worker in running {
            let (met, broken) = worker.join().expect("a worker panicked");
            coverage.add(&met);
            failed.extend(broken);
        }
    });
    failed.sort_unstable();
    (coverage, failed)
}

/// The same seed with its trace kept, and its last lines.
fn run_again(seed: u64) -> String {
    let again = format!("again: cargo xtask simulate --seeds 1 --from {seed}");
    match std::panic::catch_unwind(|| run(seed, true).failure) {
        Ok(Some(text)) => format!("{text}\n{again}"),
        Ok(None) => format!("seed {seed} did not fail again"),
        Err(_) => format!("seed {seed}: panic: see above\n{again}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 1..=20 {
        let (once, twice) = (run(seed, false).hash, run(seed, true).hash);
        assert_eq!(once, twice, "seed {seed}");
        hashes.insert(once);
    }
    assert_eq!(hashes.len(), 20, "different seeds give different traces");
}

//! Feeds one target: every seed as it is, then mutations of seeds, each input from its own number. What a run met is
//! printed in one line; a violation prints its input and the command that makes it again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::mutate::{self, Kinds};
use crate::number;
use crate::random::Random;
use crate::shape::Pool;

/// Far beyond what any of these inputs takes, also on a machine that is busy with other things.
const TIME_MAX: Duration = Duration::from_secs(10);
/// What one target may have had in memory at once, its corpus included.
const MEMORY_MAX_KB: u64 = 1 << 20;
/// Enough of a kind to see what is wrong.
const SHOWN_MAX: usize = 3;

/// What a target made of an input that is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It cannot be read.
    Unread,
    /// It was read, and what it asks for was refused.
    Refused,
    Accepted,
}

/// `Err` says what is violated. The first argument is the number of the seed that the input comes from.
pub type Judge<'a> = dyn Fn(usize, &[u8]) -> Result<Verdict, String> + 'a;

/// How an input becomes a value whose parts can be changed, and an input again.
pub struct Shape<'a> {
    pub read: &'a dyn Fn(&[u8]) -> Option<Value>,
    pub write: &'a dyn Fn(Value) -> Option<Vec<u8>>,
}

pub struct Target<'a> {
    /// As the test is named.
    pub name: &'static str,
    pub seeds: Vec<Vec<u8>>,
    pub shape: Option<Shape<'a>>,
    /// Inputs of one CI run.
    pub inputs: u64,
    pub judge: &'a Judge<'a>,
}

#[derive(Default)]
struct Met {
    runs: u64,
    kinds: Kinds,
    verdicts: BTreeMap<Verdict, u64>,
    longest: Duration,
    wrong: Vec<String>,
}

impl Target<'_> {
    pub fn run(&self) {
        let began = now();
        let mut met = Met::default();
        for (base, seed) in self.seeds.iter().enumerate() {
            let label = format!("seed value {base}");
            let verdict = self.put(&mut met, &label, base, seed);
            if verdict == Some(Verdict::Unread) {
                met.wrong
                    .push(format!("{label} is valid and cannot be read"));
            }
        }
        let pool = self.pool();
        let (from, inputs) = (number("FROM", 0), number("SEEDS", self.inputs));
        let hours = number("HOURS", 0);
        let end = Duration::from_secs(hours * 3_600);
        let mut input = from;
        while (input - from < inputs || began.elapsed() < end) && met.wrong.len() < SHOWN_MAX {
            let (base, bytes) = self.input(input, &pool, &mut met.kinds);
            let label = format!(
                "again: FROM={input} SEEDS=1 cargo nextest run --features sabotage --test fuzz {}",
                self.name
            );
            self.put(&mut met, &label, base, &bytes);
            input += 1;
        }
        let memory = peak_memory_kb();
        self.print(&met, began.elapsed(), memory);
        assert!(met.wrong.is_empty(), "{}", met.wrong.join("\n\n"));
        assert!(memory < MEMORY_MAX_KB, "{memory} kB at once");
        let unread = met.verdicts.get(&Verdict::Unread).copied().unwrap_or(0);
        if inputs >= self.inputs {
            assert!(unread > 0, "no mutation was noticed");
            assert!(met.runs - unread > self.seeds.len() as u64, "none was read");
        }
    }

    /// The input of this number, always the same.
    fn input(&self, number: u64, pool: &Pool, kinds: &mut Kinds) -> (usize, Vec<u8>) {
        let mut random = Random::new(number);
        let base = random.between(0, self.seeds.len() as u64 - 1) as usize;
        let mut of = &self.seeds[base];
        if random.percent(20) {
            // Another's bytes where this one's are awaited.
            of = random.pick(&self.seeds).unwrap_or(of);
        }
        if let Some(shape) = &self.shape
            && random.percent(70)
            && let Some(mut value) = (shape.read)(of)
        {
            pool.change(&mut random, &mut value);
            if let Some(bytes) = (shape.write)(value) {
                *kinds.entry("part").or_default() += 1;
                return (base, bytes);
            }
        }
        (base, mutate::bytes(&mut random, of, &self.seeds, kinds))
    }

    fn pool(&self) -> Pool {
        let Some(shape) = &self.shape else {
            return Pool::default();
        };
        Pool::of(self.seeds.iter().filter_map(|seed| (shape.read)(seed)))
    }

    fn put(&self, met: &mut Met, label: &str, base: usize, bytes: &[u8]) -> Option<Verdict> {
        let began = now();
        let judged = catch_unwind(AssertUnwindSafe(|| (self.judge)(base, bytes)));
        let took = began.elapsed();
        met.runs += 1;
        met.longest = met.longest.max(took);
        let judged = judged.unwrap_or_else(|_| Err("panicked, see above".to_owned()));
        let judged = match judged {
            Ok(_) if took > TIME_MAX => Err(format!("took {took:?}")),
            judged => judged,
        };
        match judged {
            Ok(verdict) => {
                *met.verdicts.entry(verdict).or_default() += 1;
                Some(verdict)
            }
            Err(why) => {
                let shown = &bytes[..bytes.len().min(2_000)];
                let text = String::from_utf8_lossy(shown);
                met.wrong.push(format!(
                    "{}, from seed value {base}: {why}\n{label}\n{text:?}\n{}",
                    self.name,
                    hex::encode(shown)
                ));
                None
            }
        }
    }

    fn print(&self, met: &Met, took: Duration, memory_kb: u64) {
        let faults: Vec<String> = met
            .kinds
            .iter()
            .map(|(kind, count)| format!("{kind}={count}"))
            .collect();
        let of = |verdict| met.verdicts.get(&verdict).copied().unwrap_or(0);
        println!(
            "net fuzz: runs={} violations={} seconds={} faults: {} covered: {} unread={} refused={} accepted={} \
             longest={}ms memory={}MB",
            met.runs,
            met.wrong.len(),
            took.as_secs(),
            faults.join(" "),
            self.name,
            of(Verdict::Unread),
            of(Verdict::Refused),
            of(Verdict::Accepted),
            met.longest.as_millis(),
            memory_kb >> 10,
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long an input takes is what is measured; no input depends on it"
)]
fn now() -> Instant {
    Instant::now()
}

/// The most that this process ever had in memory.
fn peak_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

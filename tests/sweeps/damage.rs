//! One bit is flipped in what a host keeps: a wrong binary never runs, and what can be fetched or built
//! again heals.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;

use crate::job::{Act, Job, Laid, new, old};
use crate::tally::Tally;

/// Over a whole file, its first and last byte included.
const PLACES: usize = 9;

/// What is damaged, and what must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// Fetched again.
    Staged,
    /// The only copy of the way back: the rollback is refused, and the new binary stays.
    Kept,
    /// Acting on a ledger that cannot be read would be to act on an older one, or a wrong one.
    Ledger,
}

#[test]
fn a_flipped_bit_is_found_before_anything_rests_on_it() {
    let mut tally = Tally::new("bit-flips");
    for victim in [Victim::Staged, Victim::Kept, Victim::Ledger] {
        for place in 0..PLACES {
            let name = format!("{victim:?}");
            match play(victim, place) {
                Ok(left) => tally.ran(&name, Ok(left.to_owned())),
                Err(why) => tally.ran(&name, Err(format!("place {place}: {why}"))),
            }
        }
    }
    tally.end();
}

fn play(victim: Victim, place: usize) -> Result<&'static str, String> {
    let root = tempfile::tempdir().unwrap();
    let job = Job::lay(root.path());
    let laid = Laid::of(&job);
    let url = format!("file://{}/origin/release", root.path().display());
    let runtime = Runtime::new().unwrap();
    runtime.block_on(job.run(Act::Update, &url))?;
    match victim {
        Victim::Staged => {
            runtime.block_on(job.run(Act::RollBack, &url))?;
            flip(&file(root.path(), "artifacts", &new().to_string()), place);
            runtime.block_on(job.run(Act::Update, &url))?;
            expect(&job, &laid, "new")
        }
        Victim::Kept => {
            flip(&file(root.path(), "backups", &old().to_string()), place);
            refused(runtime.block_on(job.run(Act::RollBack, &url)))?;
            expect(&job, &laid, "new")
        }
        Victim::Ledger => {
            let path = file(root.path(), "ledger", "ledger.json");
            let whole = fs::read(&path).unwrap();
            // JSON carries no checksum: what still reads as a ledger is told from none by its structure only.
            fs::write(&path, &whole[..whole.len() * place / PLACES]).unwrap();
            refused(runtime.block_on(job.run(Act::RollBack, &url)))?;
            expect(&job, &laid, "new")
        }
    }
}

fn refused(outcome: Result<(), String>) -> Result<(), String> {
    match outcome {
        Err(_) => Ok(()),
        Ok(()) => Err("the damage was not noticed".to_owned()),
    }
}

fn expect(job: &Job, laid: &Laid, wanted: &'static str) -> Result<&'static str, String> {
    match job.look(laid)? {
        found if found == wanted => Ok(found),
        found => Err(format!("{found} is installed, not {wanted}")),
    }
}

fn file(root: &Path, directory: &str, name: &str) -> PathBuf {
    root.join(directory).join(name)
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = (bytes.len() - 1) * place / (PLACES - 1);
    bytes[at] ^= 1 << (place % 8);
    fs::write(path, bytes).unwrap();
}

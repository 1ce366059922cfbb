//! `cargo xtask canaries [NAME …]`: plants each bug of `tests/simulation/planted` in a scratch copy of the pure
//! floors, runs the simulation's seeds until the invariant named for it breaks, and prints a table. The project's
//! own sources are never touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::source::Metadata;
use crate::step::{Failure, at, cargo, run, say};

const PLANTED: &str = "tests/simulation/planted";
/// What the simulation stands on, and nothing that needs a system: it builds in seconds.
const ROOMS: [&str; 9] = [
    "src/base",
    "src/plans",
    "src/fleet",
    "src/access",
    "src/journal",
    "src/machine",
    "src/decision",
    "src/agent/machine",
    "tests/simulation",
];
const DEPENDENCIES: [&str; 7] = [
    "hex",
    "rmp-serde",
    "semver",
    "serde",
    "serde_json",
    "sha2",
    "url",
];
const LIBRARY: &str = "\
pub mod base;
pub mod plans;
pub mod fleet;
pub mod access;
pub mod journal;
pub mod machine;
pub mod decision;
pub mod agent {
    pub mod machine;
}
";
const SEEDS_MAX: u64 = 500;
/// Seeds run in one go: few, so that a bug that is caught early costs little.
const SEEDS_AT_ONCE: u64 = 50;

/// A bug to plant, as the head of its patch tells it.
#[derive(Debug, PartialEq)]
struct Bug {
    name: String,
    what: String,
    invariant: String,
}

/// A seed that failed, and on what.
#[derive(Debug, PartialEq)]
struct Broken {
    seed: u64,
    invariant: String,
    detail: String,
}

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    let metadata = Metadata::asked()?;
    let workspace = metadata.directory("workspace_root")?;
    let target = metadata.directory("target_directory")?.join("canaries");
    let mut table = Vec::new();
    let mut missed = Vec::new();
    for patch in patches(&workspace.join(PLANTED))? {
        let bug = Bug::read(&patch)?;
        if !arguments.is_empty() && !arguments.contains(&bug.name) {
            continue;
        }
        say(format!("planted: {}", bug.what));
        #[expect(
            clippy::disallowed_methods,
            reason = "tells how long a hunt took; decides nothing"
        )]
        let started = Instant::now();
        plant(&workspace, &target, &patch)?;
        let caught = caught(&target, &bug)?;
        let seconds = started.elapsed().as_secs();
        let told = match &caught {
            Some(broken) => format!("seed {:>3} in {seconds} s: {}", broken.seed, broken.detail),
            None => format!("NOT CAUGHT by {SEEDS_MAX} seeds in {seconds} s"),
        };
        let row = format!("{:<30} {:<4} {told}", bug.name, bug.invariant);
        say(&row);
        table.push(row);
        missed.extend(caught.is_none().then_some(bug.name));
    }
    println!("{}", table.join("\n"));
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure(format!(
        "the net has a hole: {} not caught by the invariant named",
        missed.join(", ")
    )))
}

fn patches(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = fs::read_dir(directory).map_err(at(directory.display()))?;
    let mut found: Vec<PathBuf> = listed
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "patch"))
        .collect();
    found.sort();
    Ok(found)
}

impl Bug {
    fn read(patch: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(patch).map_err(at(patch.display()))?;
        let named = patch.file_stem().and_then(|name| name.to_str());
        Self::parsed(named.unwrap_or_default(), &text)
    }

    fn parsed(name: &str, text: &str) -> Result<Self, Failure> {
        let after = |word: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(word));
            let missing = || Failure(format!("{name}: no line begins with {word:?}"));
            line.map(|rest| rest.trim().to_owned()).ok_or_else(missing)
        };
        Ok(Self {
            name: name.to_owned(),
            what: after("Planted:")?,
            invariant: after("Caught by:")?,
        })
    }
}

/// A package of the pure floors and the simulation alone, with the bug in it.
fn plant(workspace: &Path, target: &Path, patch: &Path) -> Result<(), Failure> {
    let tree = target.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(at(tree.display()))?;
    }
    for room in ROOMS {
        copy(&workspace.join(room), &tree.join(room))?;
    }
    let root = workspace.join("Cargo.toml");
    let root = fs::read_to_string(&root).map_err(at(root.display()))?;
    write(&tree.join("Cargo.toml"), &manifest(&root)?)?;
    write(&tree.join("src/lib.rs"), LIBRARY)?;
    let lock = tree.join("Cargo.lock");
    fs::copy(workspace.join("Cargo.lock"), &lock).map_err(at(lock.display()))?;
    // The tree may lie within a repository; git must take it for a plain directory.
    run(Command::new("git")
        .args(["apply", "--whitespace=nowarn"])
        .arg(patch)
        .env("GIT_CEILING_DIRECTORIES", target)
        .current_dir(&tree))
}

/// The same versions as the workspace's, from the same lines.
fn manifest(root: &str) -> Result<String, Failure> {
    let mut text = "[workspace]\n\n[package]\nname = \"aegis-updates\"\nversion = \"0.1.0\"\n\
                    edition = \"2024\"\n\n[features]\nsabotage = []\n\n[dependencies]\n"
        .to_owned();
    for name in DEPENDENCIES {
        let line = root
            .lines()
            .find(|line| line.starts_with(&format!("{name} = ")));
        let missing = || Failure(format!("Cargo.toml: no line for {name}"));
        text += line.ok_or_else(missing)?;
        text += "\n";
    }
    text += "\n[profile.dev]\ndebug = false\n\n[profile.dev.package.\"*\"]\nopt-level = 2\n";
    Ok(text)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(at(to.display()))?;
    for entry in fs::read_dir(from).map_err(at(from.display()))? {
        let path = entry.map_err(at(from.display()))?.path();
        let into = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &into)?;
        } else {
            fs::copy(&path, &into).map_err(at(path.display()))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(at(path.display()))
}

/// The first seed that breaks the invariant named for this bug.
fn caught(target: &Path, bug: &Bug) -> Result<Option<Broken>, Failure> {
    let tested = |arguments: &[&str]| {
        let mut command = cargo();
        command
            .args(["test", "--test", "simulation"])
            .args(arguments)
            .env("CARGO_TARGET_DIR", target.join("build"))
            .current_dir(target.join("tree"));
        command
    };
    run(&mut tested(&["--quiet", "--no-run"]))?;
    for from in (1..=SEEDS_MAX).step_by(SEEDS_AT_ONCE as usize) {
        let output = tested(&["--quiet", "--", "--exact", "seeds", "--nocapture"])
            .env("FROM", from.to_string())
            .env("SEEDS", SEEDS_AT_ONCE.to_string())
            .env("FAILURES", SEEDS_AT_ONCE.to_string())
            .env("TRACE", "0")
            .output()
            .map_err(at("cargo test"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = said + &String::from_utf8_lossy(&output.stdout);
        let broken = said.lines().filter_map(Broken::read);
        let mut named: Vec<_> = broken.filter(|it| it.invariant == bug.invariant).collect();
        named.sort_by_key(|broken| broken.seed);
        if let Some(first) = named.into_iter().next() {
            return Ok(Some(first));
        }
    }
    Ok(None)
}

impl Broken {
    /// `seed 7: I2: what was wrong`.
    fn read(line: &str) -> Option<Self> {
        let (seed, rest) = line.strip_prefix("seed ")?.split_once(": ")?;
        let (invariant, detail) = rest.split_once(": ")?;
        Some(Self {
            seed: seed.parse().ok()?,
            invariant: invariant.to_owned(),
            detail: detail.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::succeeds;

    #[test]
    fn what_a_failing_seed_says_is_read() {
        let broken = Broken::read("seed 7: I2: members 2, 3: down");
        let wanted = Broken {
            seed: 7,
            invariant: "I2".to_owned(),
            detail: "members 2, 3: down".to_owned(),
        };
        assert_eq!(broken, Some(wanted));
        assert_eq!(Broken::read("seeds 50 entries 7"), None);
    }

    /// Every patch says what it plants and which invariant is to catch it, and fits the sources as they are.
    #[test]
    fn the_planted_bugs_are_told_and_fit() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let directory = workspace.join(PLANTED);
        let patches = patches(&directory).expect("the directory is there");
        assert!(patches.len() >= 8, "{patches:?}");
        for patch in patches {
            let bug = Bug::read(&patch).expect("its head tells");
            assert!(bug.invariant.starts_with('I'), "{bug:?}");
            let mut fits = Command::new("git");
            fits.args(["apply", "--check"]).arg(&patch);
            assert!(succeeds(fits.current_dir(&workspace)), "{bug:?}");
        }
    }
}

//! Telling a daemon where to die, and seeing that it did.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis_updates::demo::clock::Clock;
use aegis_updates::demo::cluster::host::Host;
use aegis_updates::demo::cluster::{Cluster, Tools};
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::timings::Timings;
use serde_json::Value;

use crate::stage::PATIENCE;
use crate::support::release::{digest_of, reference_node};
use crate::support::wait::wait_for;

/// Below each host's directory, which is the working directory of its daemon and of its CLI.
const FILE: &str = "fail-point";
/// How the words begin of a daemon that lived on.
pub const NOT_MET: &str = "it never came past";

/// With images so often that a roll meets several.
pub fn tools() -> Tools {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Tools {
        updater: PathBuf::from(env!("CARGO_BIN_EXE_aegis-updates")),
        reference_node: reference_node(),
        timings: Timings::DEMO,
        clock: Clock::start(),
        environment: vec![
            variable(aegis_updates_raft::fail_point::VARIABLE, FILE),
            variable(aegis_updates::base::sabotage::IMAGE_EVERY, "15"),
        ],
    }
}

pub async fn cluster() -> Cluster {
    let formed = Cluster::form(tools(), &Recipe::sound("1.0.0")).await;
    formed.unwrap_or_else(|error| panic!("the cluster was not formed: {error}"))
}

/// From now on this host's next process that comes past the label for the n-th time dies there.
pub fn arm(directory: &Path, label: &str, nth: u32) {
    let _ = fs::remove_file(reached(directory));
    // Renamed into place: a daemon must not read half a line.
    let aside = directory.join("fail-point.aside");
    fs::write(&aside, format!("{label} {nth}")).unwrap();
    fs::rename(aside, directory.join(FILE)).unwrap();
}

pub fn disarm(directory: &Path) {
    let _ = fs::remove_file(directory.join(FILE));
}

/// Somebody died at the label.
pub fn was_met(directory: &Path, label: &str) -> bool {
    let text = fs::read_to_string(reached(directory)).unwrap_or_default();
    text.split_whitespace().next() == Some(label)
}

fn reached(directory: &Path) -> PathBuf {
    directory.join(FILE).with_extension("reached")
}

/// Waits for the daemon's death at the label; an error when it lives on.
pub async fn died(host: &mut Host, label: &str, patience: Duration) -> Result<(), String> {
    let end = tokio::time::Instant::now() + patience;
    let mut ended = None;
    while ended.is_none() && tokio::time::Instant::now() < end {
        ended = host.ended();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let why = ended.ok_or_else(|| format!("{NOT_MET} {label}"))?;
    if was_met(&host.directory, label) && why.contains("SIGKILL") {
        return Ok(());
    }
    Err(format!("at {label}: {why}"))
}

/// What is installed there: one of these, with the mode that the first release was installed with.
pub fn installed(host: &Host, allowed: &[&str]) -> Result<String, String> {
    let path = host.install_path();
    let digest = digest_of(&path);
    if !allowed.contains(&digest.as_str()) {
        let name = &host.name;
        return Err(format!("I9: {name} holds {digest}, none of {allowed:?}"));
    }
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    match mode {
        0o755 => Ok(digest),
        _ => Err(format!("I9: {} is installed with mode {mode:o}", host.name)),
    }
}

/// I14: waits until every member says that it applied the same, and made the same of it. A member tells both
/// one after the other, so that a difference counts only when it stays.
pub async fn members_agree(cluster: &Cluster) {
    let mut told = Vec::new();
    wait_for(PATIENCE, "the members agree", async || {
        let mut seen = Vec::new();
        for host in &cluster.hosts {
            let member = host.ports.api.address();
            let path = "/cluster?consistency=local";
            let answer = cluster.api.at(&member, "GET", path, None, None).await;
            seen.push(state_of(&answer.ok()?.body)?);
        }
        let same = seen.iter().all(|state| *state == seen[0]);
        if !same && seen != told {
            println!("the members differ: {seen:?}");
            told = seen;
        }
        same.then_some(())
    })
    .await;
}

/// The chain hash in the journal's head stands for every fact before.
fn state_of(body: &Value) -> Option<Vec<Value>> {
    let parts = [
        "/asked/applied",
        "/journal",
        "/run_ms",
        "/settings",
        "/live_plan",
    ];
    let found = parts.map(|part| body.pointer(part).cloned());
    let state: Option<Vec<Value>> = found.into_iter().collect();
    state.filter(|state| !state[1].is_null())
}

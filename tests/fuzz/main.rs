//! Whatever bytes arrive from a disk, another member, a client or an operator: nothing panics, nothing grows or lasts
//! without bound, what is read is read again from what it writes, and what is refused changed nothing. One function a
//! target; the inputs are mutations of valid values. `SEEDS`, `FROM` and `HOURS` choose how many.

// The corpus is what the simulation wrote into its log and its ledgers. It brings more than is used here.
#[allow(dead_code)]
#[path = "../simulation/coverage.rs"]
mod coverage;
#[allow(dead_code)]
#[path = "../simulation/faults.rs"]
mod faults;
#[allow(dead_code)]
#[path = "../simulation/invariants/mod.rs"]
mod invariants;
#[allow(dead_code)]
#[path = "../simulation/oracle.rs"]
mod oracle;
#[path = "../simulation/random.rs"]
mod random;
#[allow(dead_code)]
#[path = "../simulation/setting.rs"]
mod setting;
#[allow(dead_code)]
#[path = "../simulation/trace.rs"]
mod trace;
#[allow(dead_code)]
#[path = "../simulation/world/mod.rs"]
mod world;

#[allow(dead_code)]
#[path = "../faces/core.rs"]
mod memory;

#[allow(dead_code)]
#[path = "../doors/rig.rs"]
mod rig;
#[allow(dead_code)]
#[path = "../doors/scene.rs"]
mod scene;
#[path = "../support/mod.rs"]
mod support;

mod corpus;
mod mutate;
mod runner;
mod schema;
mod shape;
mod targets;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

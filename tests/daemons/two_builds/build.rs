//! The second build: the same sources with the feature `next-version`, as a program beside the first. What
//! stands below our own crate is shared with the first build, so only that crate is compiled again.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAME: &str = "aegis-updates-next";
/// As `cargo run` and `cargo test` set them for a child; build scripts that watch them would run again.
const OF_A_PACKAGE: [&str; 4] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
];

/// Builds it where it is not up to date; gives its path.
pub fn next() -> PathBuf {
    let current = Path::new(env!("CARGO_BIN_EXE_aegis-updates"));
    let profile = current.parent().unwrap();
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    for (name, _) in std::env::vars_os() {
        if of_a_package(&name) {
            cargo.env_remove(&name);
        }
    }
    cargo
        .args(["build", "--workspace", "--bin", NAME])
        .args(["--features", "aegis-updates/sabotage"])
        .args(["--features", "aegis-updates/next-version"])
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{cargo:?}: {said}");
    profile.join(NAME)
}

fn of_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "CARGO_PRIMARY_PACKAGE" || OF_A_PACKAGE.iter().any(|prefix| name.starts_with(prefix))
}

//! Releases of the reference node, minted in milliseconds.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// A minted executable.
#[derive(Debug, Clone)]
pub struct Release {
    pub version: String,
    pub path: PathBuf,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// What to mint; `fault` in the text form that `reference-node --help` lists.
#[derive(Debug, Clone, Default)]
pub struct Recipe<'a> {
    pub version: &'a str,
    pub fault: Option<&'a str>,
    pub salt: &'a str,
    pub only_nodes: &'a [&'a str],
    pub from_start: u64,
}

impl<'a> Recipe<'a> {
    pub fn sound(version: &'a str) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    pub fn faulty(version: &'a str, fault: &'a str) -> Self {
        Self {
            version,
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// Mints in a child process: were the file open for writing here while another thread forks, its
    /// first start would fail with "text file busy".
    pub fn mint(&self, out: &Path) -> Release {
        let mut command = Command::new(reference_node());
        command
            .arg("mint")
            .args(["--version", self.version, "--salt", self.salt]);
        command.args(["--fault", self.fault.unwrap_or("none")]);
        command
            .args(["--from-start", &self.from_start.to_string()])
            .arg("--out")
            .arg(out);
        for node in self.only_nodes {
            command.args(["--only-node", node]);
        }
        let output = command.output().expect("the reference node can be run");
        assert!(
            output.status.success(),
            "minting failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Release {
            version: self.version.to_owned(),
            path: out.to_owned(),
            sha256: digest_of(out),
        }
    }
}

/// The unminted reference node beside this test's own executable.
pub fn reference_node() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own executable");
    // target/<profile>/deps/<test>-<hash> → target/<profile>/examples/reference-node
    let profile = own
        .parent()
        .and_then(Path::parent)
        .expect("tests lie two levels below the profile directory");
    let path = profile.join("examples/reference-node");
    assert!(
        path.exists(),
        "{} is missing; build it with `cargo build --example reference-node`",
        path.display()
    );
    path
}

/// SHA-256 of a file, in hex.
pub fn digest_of(path: &Path) -> String {
    let bytes = std::fs::read(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    hex::encode(Sha256::digest(bytes))
}

//! Releases of the reference node: minted by its own executable, told apart by their digests.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::error::Error;
use super::process;

/// A minted executable.
#[derive(Debug, Clone)]
pub struct Release {
    /// What it is rolled out as; a faulty one may report another.
    pub version: String,
    pub path: PathBuf,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// What to mint; the fault in the text form that `reference-node --help` lists.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    pub version: String,
    /// What it reports, where that differs.
    pub fault: Option<String>,
    /// The fault strikes only there; empty: everywhere.
    pub only_nodes: Vec<String>,
}

impl Recipe {
    pub fn sound(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            ..Self::default()
        }
    }

    pub fn faulty(version: &str, fault: &str) -> Self {
        Self {
            fault: Some(fault.to_owned()),
            ..Self::sound(version)
        }
    }

    /// Mints in a child process: were the file open for writing here while another thread forks, its
    /// first start would fail with "text file busy".
    pub async fn mint(&self, reference_node: &Path, out: &Path) -> Result<Release, Error> {
        let mut command = Command::new(reference_node);
        command.args(["mint", "--version", &self.version]);
        command.args(["--fault", self.fault.as_deref().unwrap_or("none")]);
        for node in &self.only_nodes {
            command.args(["--only-node", node]);
        }
        command.arg("--out").arg(out);
        let at = reference_node.display();
        let output = command.output().await.map_err(Error::at("run", &at))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(Error(format!("{at} did not mint: {}", why.trim_end())));
        }
        let file = File::open(out).map_err(Error::at("open", out.display()))?;
        let sha256 = process::digest(file).map_err(Error::at("read", out.display()))?;
        Ok(Release {
            version: self.version.clone(),
            path: out.to_owned(),
            sha256,
        })
    }
}

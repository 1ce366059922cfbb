//! Releases, told apart by their digests: files that lie there already, or the reference node's, minted
//! by its own executable. Files that will be executed are written by child processes: were one open for
//! writing here while another thread forks, its first start would fail with "text file busy".

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::error::Error;
use super::process;

/// An executable.
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

impl Release {
    /// The file at `path` as it is.
    pub fn of(version: &str, path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::at("open", path.display()))?;
        let sha256 = process::digest(file).map_err(Error::at("read", path.display()))?;
        Ok(Self {
            version: version.to_owned(),
            path: path.to_owned(),
            sha256,
        })
    }

    /// Copies the file, permissions too.
    pub async fn copy(&self, out: &Path) -> Result<Self, Error> {
        let mut command = Command::new("cp");
        command.arg("--").arg(&self.path).arg(out);
        run(command, "copy").await?;
        Ok(Self {
            path: out.to_owned(),
            ..self.clone()
        })
    }
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

    pub async fn mint(&self, reference_node: &Path, out: &Path) -> Result<Release, Error> {
        let mut command = Command::new(reference_node);
        command.args(["mint", "--version", &self.version]);
        command.args(["--fault", self.fault.as_deref().unwrap_or("none")]);
        for node in &self.only_nodes {
            command.args(["--only-node", node]);
        }
        command.arg("--out").arg(out);
        run(command, "mint").await?;
        Release::of(&self.version, out)
    }
}

async fn run(mut command: Command, what: &str) -> Result<(), Error> {
    let at = command.as_std().get_program().display().to_string();
    let output = command.output().await.map_err(Error::at("run", &at))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Error(format!("{at} did not {what}: {}", why.trim_end())))
}

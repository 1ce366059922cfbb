//! Three daemons with three reference nodes as processes of their own, in one directory that is theirs
//! alone. Whatever ends the driver, a panic too, ends them all.

pub mod host;

pub mod form;

pub mod end;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use super::api::Api;
use super::clock::Clock;
use super::error::Error;
use super::origin::Origin;
use super::ports::Port;
use super::releases::{Recipe, Release};
use super::timings::Timings;
use super::verdict::short;
use host::Host;

/// What every cluster of one demo run shares.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `aegis-updates` itself.
    pub updater: PathBuf,
    pub reference_node: PathBuf,
    pub timings: Timings,
    pub clock: Clock,
    /// For the updater's processes, beside what this process has.
    pub environment: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Cluster {
    pub tools: Tools,
    pub hosts: Vec<Host>,
    /// `None` once it was stopped.
    pub origin: Option<Origin>,
    pub api: Api,
    /// What every database runs when no plan is on its way.
    pub installed: Release,
    _origin_port: Port,
    /// Last: it is removed when everything in it has ended.
    ground: Ground,
}

/// The directory, and the end of every process in it.
#[derive(Debug)]
struct Ground {
    /// `None`: it stays when everything in it has ended.
    directory: Option<TempDir>,
    path: PathBuf,
}

impl Ground {
    fn new() -> Result<Self, Error> {
        let place = std::env::temp_dir();
        let directory = tempfile::Builder::new()
            .prefix("aegis-updates-demo-")
            .tempdir()
            .map_err(Error::at("make a directory in", place.display()))?;
        Ok(Self {
            path: directory.path().to_owned(),
            directory: Some(directory),
        })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        end::end_all_below(&self.path);
        drop(self.directory.take());
    }
}

impl Cluster {
    pub fn directory(&self) -> &Path {
        &self.ground.path
    }

    /// Leaves the directory behind when everything in it has ended.
    pub fn keep(&mut self) -> &Path {
        if let Some(directory) = self.ground.directory.take() {
            let _ = directory.keep();
        }
        &self.ground.path
    }

    pub fn host(&self, name: &str) -> Result<&Host, Error> {
        let found = self.hosts.iter().find(|host| host.name == name);
        found.ok_or_else(|| Error(format!("there is no host {name}")))
    }

    pub fn host_mut(&mut self, name: &str) -> Result<&mut Host, Error> {
        let found = self.hosts.iter_mut().find(|host| host.name == name);
        found.ok_or_else(|| Error(format!("there is no host {name}")))
    }

    pub fn names(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.name.clone()).collect()
    }

    /// `host:port` of every database, by name.
    pub fn databases(&self) -> BTreeMap<String, String> {
        let address = |host: &Host| (host.name.clone(), host.ports.database.address());
        self.hosts.iter().map(address).collect()
    }

    /// Starts the daemon of a host, for the first time or again.
    pub fn start_daemon(&mut self, name: &str) -> Result<(), Error> {
        let command = self.tools.command();
        self.host_mut(name)?.start(command)
    }

    /// A release at the origin, with the URL where daemons get it.
    pub async fn publish(&self, recipe: &Recipe, name: &str) -> Result<(Release, String), Error> {
        let Some(origin) = &self.origin else {
            return Err(Error("the origin was stopped".to_owned()));
        };
        let reference_node = &self.tools.reference_node;
        let release = recipe.mint(reference_node, &origin.path(name)).await?;
        Ok((release, origin.url(name)))
    }

    /// The same for a release that lies there already.
    pub async fn serve(&self, release: &Release) -> Result<(Release, String), Error> {
        let Some(origin) = &self.origin else {
            return Err(Error("the origin was stopped".to_owned()));
        };
        let name = format!("database-{}-{}", release.version, short(&release.sha256));
        let served = release.copy(&origin.path(&name)).await?;
        Ok((served, origin.url(&name)))
    }

    /// Closes the origin's port.
    pub async fn stop_origin(&mut self) {
        if let Some(origin) = self.origin.take() {
            origin.stop().await;
        }
    }

    /// The first daemon that ended without being told to.
    pub fn daemon_ended(&mut self) -> Option<String> {
        self.hosts.iter_mut().find_map(Host::ended)
    }
}

impl Tools {
    /// `aegis-updates`, without arguments yet.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.updater);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

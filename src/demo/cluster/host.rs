//! One host of the demo: its directory, its ports, its configuration file, and its daemon's process.
//! The database is the daemon's affair; nothing here starts or stops one.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::super::error::Error;
use super::super::ports::Port;
use super::super::timings::Timings;
use super::super::{backend, observer};
use crate::base::duration::Millis;
use crate::config;

/// On loopback, unless the host was moved; leased for as long as it lives.
#[derive(Debug)]
pub struct Ports {
    pub api: Port,
    pub members: Port,
    pub probes: Port,
    pub agent_check: Port,
    pub database: Port,
}

#[derive(Debug)]
pub struct Host {
    pub name: String,
    pub directory: PathBuf,
    pub ports: Ports,
    /// Where the other members reach this one, when something stands between.
    pub advertised: Option<String>,
    /// The command through which its processes are started; none where it is empty.
    enter: Vec<String>,
    daemon: Option<Child>,
    /// How often this driver started the daemon.
    pub daemon_starts: u32,
}

impl Host {
    pub fn new(root: &Path, name: &str) -> Result<Self, Error> {
        let directory = root.join(name);
        fs::create_dir_all(&directory)
            .map_err(Error::at("make the directory", directory.display()))?;
        let lease = || Port::lease().map_err(Error::at("find a port for", name));
        Ok(Self {
            name: name.to_owned(),
            ports: Ports {
                api: lease()?,
                members: lease()?,
                probes: lease()?,
                agent_check: lease()?,
                database: lease()?,
            },
            directory,
            advertised: None,
            enter: Vec::new(),
            daemon: None,
            daemon_starts: 0,
        })
    }

    /// Moves it, before its daemon is configured, from loopback to `address`; the command `enter` leads to where
    /// that is the host's own.
    pub fn live_at(&mut self, address: Ipv4Addr, enter: Vec<String>) {
        let ports = &mut self.ports;
        for port in [
            &mut ports.api,
            &mut ports.members,
            &mut ports.probes,
            &mut ports.agent_check,
            &mut ports.database,
        ] {
            port.ip = address;
        }
        self.enter = enter;
    }

    pub fn install_path(&self) -> PathBuf {
        self.directory.join("database")
    }

    pub fn database_dir(&self) -> PathBuf {
        self.directory.join("database-data")
    }

    pub fn config_path(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    pub fn daemon_log(&self) -> PathBuf {
        self.directory.join("daemon.log")
    }

    /// As the balancer reaches it.
    pub fn backend(&self) -> backend::Address {
        backend::Address {
            name: self.name.clone(),
            database: self.ports.database.address(),
            probe: self.ports.probes.address(),
        }
    }

    /// As the observer looks at it.
    pub fn observed(&self) -> observer::Database {
        observer::Database {
            name: self.name.clone(),
            data_dir: self.database_dir(),
            address: self.ports.database.address(),
        }
    }

    /// Writes the daemon's file. `peers` are the other databases, `url_allow` the demo's own origin.
    pub fn configure(
        &self,
        timings: &Timings,
        peers: &[String],
        url_allow: &str,
    ) -> Result<(), Error> {
        let text = toml::to_string(&self.config(timings, peers, url_allow)?)
            .map_err(|why| Error(format!("cannot write the configuration as TOML: {why}")))?;
        let path = self.config_path();
        fs::write(&path, text).map_err(Error::at("write", path.display()))
    }

    fn config(
        &self,
        timings: &Timings,
        peers: &[String],
        url_allow: &str,
    ) -> Result<config::Config, Error> {
        let data_dir = self.directory.join("updater");
        let name = self.name.parse();
        Ok(config::Config {
            node: config::Node {
                name: name.map_err(|why| Error(format!("a host of the demo: {why}")))?,
                zone: None,
                control_socket: self.directory.join("control.sock"),
                data_dir,
            },
            cluster: config::Cluster {
                name: "demo".to_owned(),
                quorum_loss_grace: timings.quorum_loss_grace,
                url_allow: vec![url_allow.to_owned()],
                ..config::Cluster::default()
            },
            listen: config::Listen {
                api: self.ports.api.socket(),
                members: self.ports.members.socket(),
                probes: self.ports.probes.socket(),
                agent_check: self.ports.agent_check.socket(),
                members_advertised: self.advertised.clone(),
                insecure_plaintext: !self.ports.api.ip.is_loopback(),
                ..config::Listen::default()
            },
            tls: None,
            raft: config::Raft {
                heartbeat: Some(timings.heartbeat),
                election_min: Some(timings.election_min),
                election_max: Some(timings.election_max),
                ..config::Raft::default()
            },
            timeouts: config::Timeouts::default(),
            database: self.database(timings, peers),
            log: config::Log::default(),
        })
    }

    fn database(&self, timings: &Timings, peers: &[String]) -> config::Database {
        let beat = timings.database_heartbeat.0.to_string();
        config::Database {
            adapter: config::database::Adapter::Aegis,
            address: format!("http://{}", self.ports.database.address()),
            node_id: None,
            install_path: self.install_path(),
            arguments: [
                "--host",
                &self.ports.database.ip.to_string(),
                "--port",
                &self.ports.database.number.to_string(),
                "--data-dir",
                &self.database_dir().to_string_lossy(),
                "--node-id",
                &self.name,
                "--peers",
                &peers.join(","),
            ]
            .map(str::to_owned)
            .to_vec(),
            environment: BTreeMap::from([
                ("REFERENCE_JOIN_MS".to_owned(), beat.clone()),
                ("REFERENCE_HEARTBEAT_MS".to_owned(), beat),
            ]),
            environment_file: None,
            working_dir: None,
            user: None,
            log: self.directory.join("database.log"),
            credentials_file: None,
            ca_file: None,
            timeout: Millis::seconds(2),
            rejoin_evidence: config::database::RejoinEvidence::Peers,
            http: None,
        }
    }

    /// Starts the daemon; its words go to its log file.
    pub fn start(&mut self, command: Command) -> Result<(), Error> {
        let path = self.daemon_log();
        let log = || {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(Error::at("open", path.display()))
        };
        let mut command = self.entering(command);
        let child = command
            .args(["serve", "--config"])
            .arg(self.config_path())
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?)
            // A Ctrl-C is the driver's to answer.
            .process_group(0)
            .spawn()
            .map_err(Error::at("start the daemon of", &self.name))?;
        self.daemon = Some(child);
        self.daemon_starts += 1;
        Ok(())
    }

    /// Runs one command of the CLI as an operator on this host, to its end.
    pub async fn run(&self, command: Command, arguments: &[&str]) -> Result<Output, Error> {
        let mut command = self.entering(command);
        command
            .args(arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(Error::at("run the CLI for", &self.name))
    }

    /// The same command, run where the host's address is its own.
    fn entering(&self, command: Command) -> Command {
        let Some((first, rest)) = self.enter.split_first() else {
            return command;
        };
        let command = command.as_std();
        let mut entering = Command::new(first);
        entering
            .args(rest)
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entering.env(name, value),
                None => entering.env_remove(name),
            };
        }
        entering
    }

    pub fn daemon_pid(&self) -> Option<u32> {
        self.daemon.as_ref().and_then(Child::id)
    }

    /// SIGKILL to the daemon alone; its database and the resident parent live on.
    pub async fn kill(&mut self) -> Result<(), Error> {
        match self.daemon.take() {
            Some(mut child) => child
                .kill()
                .await
                .map_err(Error::at("kill the daemon of", &self.name)),
            None => Err(Error(format!("no daemon of {} runs", self.name))),
        }
    }

    /// SIGTERM to the daemon alone, as an operator stops it; returns when it has ended.
    pub async fn stop(&mut self) -> Result<ExitStatus, Error> {
        let child = self.daemon.take();
        let mut child = child.ok_or_else(|| Error(format!("no daemon of {} runs", self.name)))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // Gone already is as good.
            let _ = kill_process(pid, Signal::TERM);
        }
        let ended = child.wait().await;
        ended.map_err(Error::at("wait for the daemon of", &self.name))
    }

    /// The daemon's exit, if it ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.daemon.as_mut()?.try_wait().ok()??;
        Some(format!(
            "the daemon of {} ended by itself ({status}); its log: {}",
            self.name,
            self.daemon_log().display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_was_moved_lives_at_its_address_and_runs_through_its_command() {
        let root = tempfile::tempdir().unwrap();
        let mut host = Host::new(root.path(), "n1").unwrap();
        let address = Ipv4Addr::new(198, 18, 0, 1);
        host.live_at(address, ["env", "LED=there"].map(str::to_owned).to_vec());
        let mut command = Command::new("sh");
        command.env("KEPT", "too");
        let output = host.run(command, &["-c", "echo $LED $KEPT"]).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "there too\n");
        let config = host.config(&Timings::DEMO, &[], "http://127.0.0.1/");
        let config = config.unwrap();
        assert_eq!(config.listen.members.ip(), address);
        assert!(config.listen.insecure_plaintext);
        assert!(config.database.arguments.contains(&address.to_string()));
    }
}

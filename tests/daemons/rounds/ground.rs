//! The cluster of the rounds: members behind doors that can be cut, and an origin that can be hostile.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aegis_updates::base::duration::Millis;
use aegis_updates::demo::api::Api;
use aegis_updates::demo::clock::Clock;
use aegis_updates::demo::cluster::host::Host;
use aegis_updates::demo::cluster::{Cluster, Tools};
use aegis_updates::demo::releases::Recipe;
use aegis_updates::demo::timings::Timings;

use super::links::{Door, Links};
use crate::support::release::reference_node;

pub struct Ground {
    pub cluster: Cluster,
    pub links: Links,
    /// Daemons that ended by themselves and were started again, as systemd would.
    pub restarts: u32,
    /// One more host that lies ready to join.
    pub guest: Option<Host>,
    doors: Vec<Door>,
}

pub const GUEST: &str = "n4";

/// Wider than the demo's where a busy machine could fail a sound release, or hide a drain from the balancer.
pub const TIMINGS: Timings = Timings {
    drain_grace: Millis(1_500),
    verify: Millis(20_000),
    rejoin: Millis(30_000),
    health_grace: Millis(8_000),
    ..Timings::DEMO
};

pub fn tools() -> Tools {
    Tools {
        updater: PathBuf::from(env!("CARGO_BIN_EXE_aegis-updates")),
        reference_node: reference_node(),
        timings: TIMINGS,
        clock: Clock::start(),
        environment: Vec::new(),
    }
}

impl Ground {
    pub async fn new() -> Self {
        let links = Links::default();
        let mut doors = Vec::new();
        let installed = Recipe::sound("1.0.0");
        let formed = Cluster::form_wired(tools(), &installed, |host| {
            let door = links.door(&host.name, host.ports.members.socket());
            host.advertised = Some(door.address.to_string());
            doors.push(door);
            Ok(())
        });
        let cluster = formed.await.unwrap();
        let ground = Self {
            links,
            doors,
            ..Self::without_doors(cluster)
        };
        ground.know();
        ground
    }

    /// Of a cluster whose members reach one another directly.
    pub fn without_doors(cluster: Cluster) -> Self {
        Self {
            cluster,
            links: Links::default(),
            restarts: 0,
            guest: None,
            doors: Vec::new(),
        }
    }

    /// Tells the doors whose process is whose.
    pub fn know(&self) {
        let hosts = self.cluster.hosts.iter();
        let pids = hosts.filter_map(|host| Some((host.name.clone(), host.daemon_pid()?)));
        self.links.know(pids.collect::<BTreeMap<_, _>>());
    }

    /// Makes one more host ready, behind a door like the others, with what they run.
    pub async fn invite(&mut self) {
        let cluster = &self.cluster;
        // What one before left.
        let _ = std::fs::remove_dir_all(cluster.directory().join(GUEST));
        let mut host = Host::new(cluster.directory(), GUEST).unwrap();
        let door = self.links.door(GUEST, host.ports.members.socket());
        host.advertised = Some(door.address.to_string());
        self.doors.push(door);
        let peers: Vec<String> = cluster.databases().into_values().collect();
        let origin = cluster.origin.as_ref().unwrap().url("");
        host.configure(&cluster.tools.timings, &peers, &origin)
            .unwrap();
        let copied = cluster.installed.copy(&host.install_path()).await;
        copied.unwrap();
        self.guest = Some(host);
    }

    /// The members' hosts, and the one that may become one: what is looked at.
    pub fn looked_at(&self) -> impl Iterator<Item = &Host> {
        self.cluster.hosts.iter().chain(&self.guest)
    }

    pub fn api(&self) -> &Api {
        &self.cluster.api
    }

    pub async fn kill(&mut self, name: &str) {
        // Ended already is as good.
        let _ = self.cluster.host_mut(name).unwrap().kill().await;
    }

    pub async fn start(&mut self, name: &str) {
        self.cluster.start_daemon(name).unwrap();
        self.know();
    }

    /// The same, with something more in its environment.
    pub async fn start_with(&mut self, name: &str, environment: &[(&str, String)]) {
        let mut command = self.cluster.tools.command();
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        self.cluster.host_mut(name).unwrap().start(command).unwrap();
        self.know();
    }

    /// Starts daemons that ended by themselves again, as systemd would.
    pub async fn restart_ended(&mut self) {
        for name in self.cluster.names() {
            let ended = self.cluster.host_mut(&name).unwrap().ended();
            if let Some(why) = ended {
                println!("  {why}");
                self.kill(&name).await;
                self.start(&name).await;
                self.restarts += 1;
            }
        }
    }
}

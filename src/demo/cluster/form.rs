//! How the demo's cluster comes to be, with the commands that an operator uses: `cluster init` on the
//! first host, a join token for each other, and `serve` everywhere.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::api::Api;
use super::super::error::Error;
use super::super::live::say;
use super::super::origin::Origin;
use super::super::ports::Port;
use super::super::releases::{Recipe, Release};
use super::super::wait::wait_until;
use super::host::Host;
use super::{Cluster, Ground, Tools};

/// Starting a daemon opens RocksDB, makes keys and elects a leader; several do so at once.
const PATIENCE: Duration = Duration::from_secs(60);

const NAMES: [&str; 3] = ["n1", "n2", "n3"];

impl Cluster {
    /// Three hosts with `installed` of the reference node on each, formed, voting, every database healthy.
    pub async fn form(tools: Tools, installed: &Recipe) -> Result<Self, Error> {
        Self::form_wired(tools, installed, |_| Ok(())).await
    }

    /// The same, each host changed by `wire` before its daemon is configured.
    pub async fn form_wired(
        tools: Tools,
        installed: &Recipe,
        wire: impl FnMut(&mut Host) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        Self::form_around(Ipv4Addr::LOCALHOST, tools, installed, wire).await
    }

    /// The same with the origin at an address that hosts reach which `wire` moved from loopback.
    pub async fn form_around(
        origin: Ipv4Addr,
        tools: Tools,
        installed: &Recipe,
        wire: impl FnMut(&mut Host) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let ground = Ground::new()?;
        let minted = ground.path.join("installed");
        let release = installed.mint(&tools.reference_node, &minted).await?;
        Self::form_on(ground, origin, tools, &release, wire).await
    }

    /// The same with a database that lies there already.
    pub async fn form_with(tools: Tools, installed: &Release) -> Result<Self, Error> {
        let origin = Ipv4Addr::LOCALHOST;
        Self::form_on(Ground::new()?, origin, tools, installed, |_| Ok(())).await
    }

    async fn form_on(
        ground: Ground,
        origin: Ipv4Addr,
        tools: Tools,
        installed: &Release,
        wire: impl FnMut(&mut Host) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        say(&format!("everything lies in {}", ground.path.display()));
        let mut hosts: Vec<Host> = NAMES
            .iter()
            .map(|name| Host::new(&ground.path, name))
            .collect::<Result<_, _>>()?;
        hosts.iter_mut().try_for_each(wire)?;
        let mut origin_port = Port::lease().map_err(Error::at("find a port for", "the origin"))?;
        origin_port.ip = origin;
        let origin = Origin::start(origin_port.socket(), ground.path.join("origin")).await?;
        for host in &hosts {
            let others = hosts.iter().filter(|other| other.name != host.name);
            let peers: Vec<String> = others.map(|other| other.ports.database.address()).collect();
            host.configure(&tools.timings, &peers, &origin.url(""))?;
            installed.copy(&host.install_path()).await?;
        }
        let members = hosts.iter().map(|host| host.ports.api.address()).collect();
        let mut cluster = Self {
            tools,
            hosts,
            origin: Some(origin),
            api: Api {
                members,
                token: String::new(),
            },
            installed: installed.clone(),
            _origin_port: origin_port,
            ground,
        };
        cluster.found().await?;
        Ok(cluster)
    }

    async fn found(&mut self) -> Result<(), Error> {
        let [first, others @ ..] = NAMES;
        self.api.token = self.init(first).await?;
        self.start_daemon(first)?;
        self.answers(first).await?;
        for name in others {
            let ticket = self.join_token(name).await?;
            self.join(name, &ticket).await?;
            self.start_daemon(name)?;
            self.answers(name).await?;
        }
        wait_until(PATIENCE, "all three members vote", async || {
            self.voters().await == NAMES.len()
        })
        .await
    }

    /// Forms the cluster on this host; the first administrator's token.
    async fn init(&self, name: &str) -> Result<String, Error> {
        let host = self.host(name)?;
        let config = host.config_path();
        let arguments = [
            "cluster",
            "init",
            "--config",
            &config.to_string_lossy(),
            "-o",
            "json",
        ];
        let answer = self.cli(host, &arguments).await?;
        let token = answer.get("token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .ok_or_else(|| Error(format!("`cluster init` gave no token: {answer}")))
    }

    async fn join_token(&self, name: &str) -> Result<String, Error> {
        let key = format!("demo-join-{name}");
        let path = "/cluster/join-tokens";
        let answer = self.api.post(path, &json!({}), &key, PATIENCE).await?;
        let secret = answer.get("secret").and_then(Value::as_str);
        secret
            .map(str::to_owned)
            .ok_or_else(|| Error(format!("POST {path} gave no token: {answer}")))
    }

    /// A secret goes by a file, never by a flag.
    async fn join(&self, name: &str, ticket: &str) -> Result<(), Error> {
        let host = self.host(name)?;
        let file = host.directory.join("join-token");
        std::fs::write(&file, ticket).map_err(Error::at("write", file.display()))?;
        let (config, file) = (host.config_path(), file.to_string_lossy());
        let config = config.to_string_lossy();
        let arguments = [
            "cluster",
            "join",
            "--config",
            &config,
            "--join-token-file",
            &file,
            "-o",
            "json",
        ];
        self.cli(host, &arguments).await.map(drop)
    }

    async fn cli(&self, host: &Host, arguments: &[&str]) -> Result<Value, Error> {
        let output = host.run(self.tools.command(), arguments).await?;
        if !output.status.success() {
            return Err(Error(format!(
                "`aegis-updates {}` ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            )));
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// Waits until the API of one host's daemon answers.
    pub async fn answers(&mut self, name: &str) -> Result<(), Error> {
        let member = self.host(name)?.ports.api.address();
        let api = self.api.clone();
        let mut ended = None;
        let what = format!("the daemon of {name} answers");
        let answered = wait_until(PATIENCE, &what, async || {
            ended = self.daemon_ended();
            let path = "/cluster?consistency=local";
            let answer = api.at(&member, "GET", path, None, None).await;
            ended.is_some() || answer.is_ok_and(|answer| answer.status.is_success())
        });
        answered.await?;
        ended.map_or(Ok(()), |why| Err(Error(why)))
    }

    async fn voters(&self) -> usize {
        let cluster = self.api.get("/cluster", PATIENCE).await;
        let voters = cluster
            .ok()
            .and_then(|body| Some(body.get("voters")?.as_array()?.len()));
        voters.unwrap_or_default()
    }

    /// The node whose daemon leads now.
    pub async fn leader(&self) -> Result<String, Error> {
        let body = self.api.get("/cluster", PATIENCE).await?;
        let leader = body.get("leader").and_then(Value::as_str);
        leader
            .map(str::to_owned)
            .ok_or_else(|| Error("nobody leads at this moment".to_owned()))
    }
}

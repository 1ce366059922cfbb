//! A cluster whose daemons are exchanged one by one while plans run, and what every member says when
//! something is not as it should be.

use std::path::PathBuf;
use std::time::Duration;

use aegis_updates::demo::acts;
use aegis_updates::demo::api::Answer;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::plans::strategy::OnNodeFailure;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::digests::STATE;
use crate::stage::PATIENCE;

/// A plan over all nodes while every daemon is exchanged once, on a machine that has other work.
const PLAN_PATIENCE: Duration = Duration::from_secs(240);
const LAP: Duration = Duration::from_millis(150);
/// Of a daemon's log, when something is wrong.
const LAST_LINES: usize = 40;
const LIVE: [&str; 3] = ["InProgress", "Paused", "RollingBack"];

pub struct Scene {
    pub cluster: Cluster,
    pub current: PathBuf,
    pub next: PathBuf,
    /// Daemons that were exchanged for one of another build.
    pub exchanged: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    Current,
    Next,
}

impl Scene {
    pub fn new(cluster: Cluster, next: PathBuf) -> Self {
        Self {
            current: cluster.tools.updater.clone(),
            cluster,
            next,
            exchanged: 0,
        }
    }

    pub fn program(&self, build: Build) -> PathBuf {
        match build {
            Build::Current => self.current.clone(),
            Build::Next => self.next.clone(),
        }
    }

    /// Ends the daemon of a host as an operator does, and starts the other build in its place.
    pub async fn exchange(&mut self, name: &str, build: Build) {
        let ended = self.cluster.host_mut(name).unwrap().stop().await.unwrap();
        let ended = format!("{ended}");
        self.must(ended == "exit status: 0", &format!("{name} ended: {ended}"))
            .await;
        self.start(name, build).await;
        self.exchanged += 1;
    }

    /// Returns once the member answers and all three vote, one of them leading with a quorum.
    pub async fn start(&mut self, name: &str, build: Build) {
        self.cluster.tools.updater = self.program(build);
        self.cluster.start_daemon(name).unwrap();
        let answers = self.cluster.answers(name).await;
        let well = answers.is_ok();
        self.must(well, &format!("{name} as {build:?}: {answers:?}"))
            .await;
        let newest = match build {
            Build::Current => 1,
            Build::Next => 2,
        };
        let member = self.address(name);
        let what = format!("{name} is a member again, as {build:?}");
        self.until(PATIENCE, &what, async |scene| {
            let local = scene.ask(&member, "GET", STATE, None).await?;
            let members = scene.ask(&member, "GET", "/cluster/members", None).await?;
            // The leader heard it since: until then it knows what the daemon before supported.
            let mut members = members.body["members"].as_array()?.iter();
            let heard =
                members.any(|one| one["node"] == name && one["supports"]["newest"] == newest);
            (heard && local.body["asked"]["supports"]["newest"] == newest).then_some(())
        })
        .await;
    }

    pub fn address(&self, name: &str) -> String {
        self.cluster.host(name).unwrap().ports.api.address()
    }

    /// One request to one member.
    pub async fn ask(
        &self,
        member: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<Answer> {
        let asked = self.cluster.api.at(member, method, path, body, None);
        asked.await.ok()
    }

    /// Asks one member until it gives an answer that will not be another in a moment.
    pub async fn settled(&self, name: &str, path: &str, body: &Value) -> Answer {
        let member = self.address(name);
        let what = format!("POST {path} at {name} is answered");
        self.until(PATIENCE, &what, async |scene| {
            let answer = scene.ask(&member, "POST", path, Some(body)).await?;
            (answer.status.as_u16() != 503).then_some(answer)
        })
        .await
    }

    /// A plan over these nodes, under way.
    pub async fn begin_plan(&mut self, version: &str, nodes: &[&str]) -> String {
        let published = self.cluster.publish(&Recipe::sound(version), version).await;
        let (release, url) = published.unwrap();
        let mut body = acts::body(&self.cluster, &release, &url, OnNodeFailure::RollbackNode);
        body["nodes"] = json!(nodes);
        let api = self.cluster.api.clone();
        let key = format!("create-{version}");
        let created = api.post("/plan", &body, &key, PATIENCE).await.unwrap();
        let plan = created["plan"]["id"].as_str().unwrap().to_owned();
        let execute = json!({ "plan_id": plan });
        self.until(PATIENCE, "the plan is executed", async |scene| {
            let member = &scene.cluster.api.members[0];
            let answer = scene
                .ask(member, "POST", "/execute", Some(&execute))
                .await?;
            let live = answer.body["code"] == "wrong_status" || answer.body["code"] == "plan_live";
            (answer.status.is_success() || live).then_some(())
        })
        .await;
        self.until(PATIENCE, "a node is in hand", async |scene| {
            let nodes = scene.cluster.api.get("/nodes", PATIENCE).await.ok()?;
            let mut nodes = nodes["nodes"].as_array()?.iter();
            nodes.any(|node| node["in_hand"] == true).then_some(())
        })
        .await;
        plan
    }

    pub async fn status(&self, plan: &str) -> Option<String> {
        let path = format!("/plans/{plan}");
        let shown = self.cluster.api.get(&path, PATIENCE).await.ok()?;
        shown["plan"]["status"].as_str().map(str::to_owned)
    }

    pub async fn completes(&self, plan: &str) {
        let ended = self
            .until(PLAN_PATIENCE, &format!("{plan} ends"), async |scene| {
                let status = scene.status(plan).await?;
                (!LIVE.contains(&status.as_str())).then_some(status)
            })
            .await;
        self.must(ended == "Completed", &format!("{plan} ended {ended}"))
            .await;
    }

    /// Asks again and again; when it takes too long, every member is heard before this test fails.
    pub async fn until<T>(
        &self,
        patience: Duration,
        what: &str,
        mut question: impl AsyncFnMut(&Self) -> Option<T>,
    ) -> T {
        let end = Instant::now() + patience;
        loop {
            if let Some(answer) = question(self).await {
                return answer;
            }
            if Instant::now() >= end {
                self.must(false, &format!("waited {patience:?} in vain until {what}"))
                    .await;
            }
            sleep(LAP).await;
        }
    }

    pub async fn must(&self, holds: bool, what: &str) {
        if !holds {
            panic!("{what}\n{}", self.said().await);
        }
    }

    /// What every member says of itself, and the end of its log.
    async fn said(&self) -> String {
        let mut told = String::new();
        for host in &self.cluster.hosts {
            let member = host.ports.api.address();
            told += &format!("\n--- {} (pid {:?})\n", host.name, host.daemon_pid());
            for path in [
                STATE,
                "/nodes?consistency=local",
                "/plans?consistency=local",
            ] {
                let answer = self.ask(&member, "GET", path, None).await;
                let body = answer.map(|answer| answer.body.to_string());
                told += &format!("GET {path}: {}\n", body.unwrap_or_default());
            }
            let log = std::fs::read_to_string(host.daemon_log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            told += &lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        }
        told
    }
}

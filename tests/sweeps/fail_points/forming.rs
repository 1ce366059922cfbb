//! Labels of a host that forms a cluster, joins one, or serves for the first time: after the crash the
//! same command again comes to its end, or says that it came to it before.

use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use aegis_updates::demo::api::Api;
use aegis_updates::demo::cluster::Tools;
use aegis_updates::demo::cluster::end::end_all_below;
use aegis_updates::demo::cluster::host::Host;
use aegis_updates::demo::releases::Recipe;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::armed;
use super::labels::{Scene, chosen};
use crate::stage::PATIENCE;
use crate::support::wait::wait_for;
use crate::tally::Tally;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_dies_at_each_label_of_forming_and_joining() {
    let mut tally = Tally::new("fail-points-form");
    let of = |scene| matches!(scene, Scene::Init(_) | Scene::FirstServe | Scene::Join);
    for (label, scene) in chosen(of) {
        let outcome = match scene {
            Scene::Init(nth) => init(label, nth).await,
            Scene::FirstServe => first_serve(label).await,
            _ => join(label).await,
        };
        println!("{label:<24}{outcome:?}");
        tally.ran(label, outcome);
    }
    tally.end();
}

async fn init(label: &str, nth: u32) -> Result<String, String> {
    let mut site = Site::new().await;
    let directory = site.host.directory.clone();
    armed::arm(&directory, label, nth);
    let output = site.init().await;
    if output.status.signal() != Some(9) || !armed::was_met(&directory, label) {
        return Err(format!("`cluster init` did not die there: {output:?}"));
    }
    let token = token(&site.init().await)?;
    site.serve();
    site.forms(token).await;
    Ok("formed".to_owned())
}

async fn first_serve(label: &str) -> Result<String, String> {
    let mut site = Site::new().await;
    let directory = site.host.directory.clone();
    let token = token(&site.init().await)?;
    armed::arm(&directory, label, 1);
    site.serve();
    armed::died(&mut site.host, label, PATIENCE).await?;
    site.serve();
    site.forms(token).await;
    Ok("served".to_owned())
}

async fn join(label: &str) -> Result<String, String> {
    let mut founder = Site::new().await;
    let token = token(&founder.init().await)?;
    founder.serve();
    let api = founder.forms(token).await;
    let ticket = api
        .post("/cluster/join-tokens", &json!({}), "ticket", PATIENCE)
        .await
        .map_err(|error| error.to_string())?;
    let mut joiner = Site::named("n2").await;
    let directory = joiner.host.directory.clone();
    let file = directory.join("join-token");
    std::fs::write(&file, ticket["secret"].as_str().unwrap()).unwrap();
    armed::arm(&directory, label, 1);
    let flag = ["--join-token-file", &file.to_string_lossy()].map(str::to_owned);
    let output = joiner.cluster("join", &flag).await;
    if output.status.signal() != Some(9) || !armed::was_met(&directory, label) {
        return Err(format!("`cluster join` did not die there: {output:?}"));
    }
    let again = joiner.cluster("join", &flag).await;
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    if !again.status.success() && !words.contains("is a member of cluster") {
        return Err(format!("the second try: {words}"));
    }
    joiner.serve();
    let member = joiner.host.ports.api.address();
    wait_for(PATIENCE, "the joiner is a member", async || {
        let path = "/cluster?consistency=local";
        let answer = api.at(&member, "GET", path, None, None).await.ok()?;
        answer.body["leader"].as_str().map(drop)
    })
    .await;
    let nodes = api.get("/nodes", PATIENCE).await;
    let nodes = nodes.map_err(|error| error.to_string())?;
    let count = nodes["nodes"].as_array().map_or(0, Vec::len);
    match count {
        // A joiner that asked twice is one node.
        2 => Ok("joined".to_owned()),
        _ => Err(format!("{count} nodes: {nodes}")),
    }
}

fn token(output: &Output) -> Result<String, String> {
    let body: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let token = body.get("token").and_then(Value::as_str);
    token
        .map(str::to_owned)
        .ok_or_else(|| format!("`cluster init` gave no token: {output:?}"))
}

/// One host by itself; everything on it ends with it.
struct Site {
    tools: Tools,
    host: Host,
    root: TempDir,
}

impl Site {
    async fn new() -> Self {
        Self::named("n1").await
    }

    async fn named(name: &str) -> Self {
        let tools = armed::tools();
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), name).unwrap();
        host.configure(&tools.timings, &[], "http://127.0.0.1:1/")
            .unwrap();
        let recipe = Recipe::sound("1.0.0");
        recipe
            .mint(&tools.reference_node, &host.install_path())
            .await
            .unwrap();
        Self { tools, host, root }
    }

    async fn init(&self) -> Output {
        self.cluster("init", &[]).await
    }

    async fn cluster(&self, verb: &str, more: &[String]) -> Output {
        let config = self.host.config_path();
        let config = config.to_string_lossy();
        let mut arguments = vec!["cluster", verb, "--config", &config, "-o", "json"];
        arguments.extend(more.iter().map(String::as_str));
        let command = self.tools.command();
        self.host.run(command, &arguments).await.unwrap()
    }

    fn serve(&mut self) {
        self.host.start(self.tools.command()).unwrap();
    }

    /// Waits until it leads a formed cluster.
    async fn forms(&self, token: String) -> Api {
        let members = vec![self.host.ports.api.address()];
        let api = Api { members, token };
        wait_for(PATIENCE, "the cluster is formed", async || {
            let cluster = api.get("/cluster", PATIENCE).await.ok()?;
            cluster["leader"].as_str().map(drop)
        })
        .await;
        api
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        end_all_below(self.root.path());
    }
}

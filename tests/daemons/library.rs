//! The first seed's example, with its literals replaced, rolls two of three real nodes; then the library
//! takes one of them back. A caller is a process of its own: this test binary, started again.

use std::error::Error;
use std::process::Output;
use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::record::Record;
use aegis_updates::demo::releases::Recipe;
use aegis_updates::orchestrator::{CONTROL_SOCKET_VARIABLE, ClusterNode, UpdateOrchestrator};
use aegis_updates::rollback::rollback_node;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_until;

const ROLL: &str = "LIBRARY_TEST_ROLL";
const TAKE_BACK: &str = "LIBRARY_TEST_TAKE_BACK";
/// The example sets no strategy: two nodes with the product's own grace, settle and soak times.
const ROLL_MAX: Duration = Duration::from_secs(240);

/// What stands in the place of each literal of the example.
#[derive(Serialize, Deserialize)]
struct Literals<'a> {
    binary: &'a str,
    data_dir: &'a str,
    version: &'a str,
    url: &'a str,
    sha256: &'a str,
    #[serde(borrow)]
    first: Named<'a>,
    #[serde(borrow)]
    second: Named<'a>,
}

#[derive(Serialize, Deserialize)]
struct Named<'a> {
    node_id: &'a str,
    name: &'a str,
    address: &'a str,
}

/// The example between its braces; `tests/library.rs` holds it to the seed's text.
#[allow(unused_variables)] // The example looks at nothing that it was answered.
async fn example(literal: &Literals<'_>) -> Result<(), Box<dyn Error>> {
    include!("../library/with_other_literals.txt");
    Ok(())
}

/// The only entry point of the child; as a test of its own it does nothing.
#[tokio::test]
async fn child() {
    if let Ok(literals) = std::env::var(ROLL) {
        example(&serde_json::from_str(&literals).unwrap())
            .await
            .unwrap();
    }
    if let Ok(plan_and_node) = std::env::var(TAKE_BACK) {
        let (plan, node) = plan_and_node.split_once(' ').unwrap();
        let orchestrator = UpdateOrchestrator::new("", "");
        let node = ClusterNode {
            node_id: node.to_owned(),
            name: String::new(),
            address: String::new(),
            is_leader: false,
        };
        rollback_node(&orchestrator, plan, &node).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_example_rolls_two_nodes_and_one_goes_back() {
    let cluster = stage::cluster().await;
    let observer = stage::observe(&cluster).await;
    let before = observer.record();
    let from_ms = cluster.tools.clock.now_ms();
    let recipe = Recipe::sound("1.1.0");
    let (release, url) = cluster.publish(&recipe, "database-1.1.0").await.unwrap();

    // The example calls its first node the leader. Who leads is Raft's answer, not the caller's.
    let second = cluster.leader().await.unwrap();
    let others: Vec<_> = cluster
        .names()
        .into_iter()
        .filter(|name| *name != second)
        .collect();
    let [first, spare] = others.as_slice() else {
        panic!("there are three nodes: {others:?}");
    };
    let databases = cluster.databases();
    let binary = cluster.host(first).unwrap().install_path();
    let data_dir = cluster.host(first).unwrap().database_dir();
    let named = |node_id, name, address| Named {
        node_id,
        name,
        address,
    };
    let literals = Literals {
        binary: &binary.to_string_lossy(),
        data_dir: &data_dir.to_string_lossy(),
        version: &release.version,
        url: &url,
        sha256: &release.sha256,
        first: named(first, "Dashboard", &databases[first]),
        second: named(&second, "NexusScribe", &databases[&second]),
    };
    green(&cluster, &literals).await;
    let literals = serde_json::to_string(&literals).unwrap();
    let rolled = call(&cluster, first, ROLL, &literals).await;
    assert!(rolled.status.success(), "{rolled:#?}");

    runs(&observer.record(), first, &release.sha256);
    runs(&observer.record(), &second, &release.sha256);
    let record = observer.record();
    for name in [first, &second] {
        assert_eq!(record.starts(name, from_ms), 1, "{name}");
    }
    let started = |name: &str| record.running(name).unwrap().started_at_ms;
    assert!(started(first) < started(&second), "the leader came first");

    let history = cluster.api.get("/history", PATIENCE).await.unwrap();
    let plans = history["plans"].as_array().unwrap();
    let [plan] = plans.as_slice() else {
        panic!("one plan was made: {history}");
    };
    assert_eq!(plan["status"], "Completed");
    let id = plan["id"].as_str().unwrap();
    let back = call(&cluster, first, TAKE_BACK, &format!("{id} {first}")).await;
    assert!(back.status.success(), "{back:#?}");

    let record = observer.finish().await;
    runs(&record, first, &cluster.installed.sha256);
    runs(&record, &second, &release.sha256);
    let life = |record: &Record| record.running(spare).unwrap().life;
    assert_eq!(life(&record), life(&before), "{spare} was touched");
}

/// The library's calls on the host `at`, in a process of their own.
async fn call(cluster: &Cluster, at: &str, what: &str, with: &str) -> Output {
    let socket = cluster.host(at).unwrap().directory.join("control.sock");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["library::child", "--exact", "--nocapture"])
        .env(CONTROL_SOCKET_VARIABLE, socket)
        .env(what, with)
        .kill_on_drop(true);
    let ended = timeout(ROLL_MAX, command.output()).await;
    ended.expect("the call ends").unwrap()
}

/// Waits until executing would not be refused: a cluster that has just formed has gates to open.
async fn green(cluster: &Cluster, literals: &Literals<'_>) {
    let body = json!({
        "version": literals.version, "binary_url": literals.url, "sha256": literals.sha256,
        "nodes": [literals.first.node_id, literals.second.node_id],
    });
    wait_until(PATIENCE, "every gate is green", async || {
        let path = "/plans/preview";
        let member = &cluster.api.members[0];
        let answer = cluster
            .api
            .at(member, "POST", path, Some(&body), None)
            .await;
        answer.is_ok_and(|answer| answer.body["ready"] == true)
    })
    .await;
}

fn runs(record: &Record, name: &str, sha256: &str) {
    let process = record.running(name).unwrap();
    assert_eq!(process.digest.as_deref(), Some(sha256), "{name}");
}

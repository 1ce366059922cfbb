//! A plan for one node, and who leads meanwhile.

use aegis_updates::base::ids::PlanId;
use aegis_updates::demo::acts;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::cluster::host::Host;
use aegis_updates::demo::releases::Release;
use aegis_updates::plans::strategy::OnNodeFailure;
use serde_json::{Value, json};

use crate::stage::PATIENCE;
use crate::support::wait::wait_for;

pub fn host<'a>(cluster: &'a Cluster, name: &str) -> &'a Host {
    cluster.host(name).unwrap()
}

pub async fn leader(cluster: &Cluster) -> String {
    wait_for(PATIENCE, "somebody leads", async || {
        cluster.leader().await.ok()
    })
    .await
}

/// A plan for this node alone, executed as soon as every gate is green.
pub async fn start(cluster: &Cluster, release: &Release, url: &str, node: &str) -> PlanId {
    let mut body = acts::body(cluster, release, url, OnNodeFailure::RollbackNode);
    body["nodes"] = json!([node]);
    let (api, version) = (&cluster.api, &release.version);
    let created = wait_for(PATIENCE, "the plan is created", async || {
        let key = format!("create-{version}");
        api.post("/plan", &body, &key, PATIENCE).await.ok()
    })
    .await;
    let plan = created.pointer("/plan/id").and_then(Value::as_str).unwrap();
    let mut tries = 0;
    wait_for(PATIENCE, "the plan is executed", async || {
        tries += 1;
        let key = format!("execute-{version}-{tries}");
        let body = json!({ "plan_id": plan });
        api.post("/execute", &body, &key, PATIENCE).await.ok()
    })
    .await;
    plan.parse().unwrap()
}

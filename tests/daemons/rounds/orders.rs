//! What the operator of a round orders: a release at its origin, a plan that is begun, and the way back.

use std::fs;

use aegis_updates::base::ids::PlanId;
use aegis_updates::demo::acts;
use aegis_updates::demo::releases::{Recipe, Release};
use aegis_updates::demo::tape::Plan;
use aegis_updates::plans::strategy::OnNodeFailure;
use serde_json::{Value, json};

use super::ground::Ground;
use super::script::{Kind, Script};
use crate::stage::PATIENCE;
use crate::support::wait::wait_for;

pub fn described(plan: PlanId, release: &Release, script: &Script) -> Plan {
    Plan {
        id: plan.to_string(),
        sha256: release.sha256.clone(),
        version: release.version.clone(),
        sound: script.release.is_sound(),
        harms_clients: script.release.harms_clients(),
    }
}

pub async fn publish(ground: &Ground, script: &Script) -> (Release, Value) {
    // Only grows, so that no round is a downgrade of one before.
    let count = ground.cluster.api.get("/plans?limit=1", PATIENCE).await;
    let last = count.unwrap()["plans"][0]["id"].as_str().map(str::to_owned);
    let number = last.map_or(0, |id| id.parse::<PlanId>().unwrap().0);
    let version = format!("1.{}.{}", number + 1, script.seed);
    let recipe = match script.release.fault() {
        Some(fault) => Recipe::faulty(&version, fault),
        None => Recipe::sound(&version),
    };
    let name = format!("database-{version}");
    let (release, url) = ground.cluster.publish(&recipe, &name).await.unwrap();
    let path = ground.cluster.origin.as_ref().unwrap().path(&name);
    match script.release {
        Kind::OriginMissing => fs::remove_file(&path).unwrap(),
        Kind::OriginShort => {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
        Kind::OriginOther => {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, bytes).unwrap();
        }
        _ => {}
    }
    let mut body = acts::body(&ground.cluster, &release, &url, OnNodeFailure::RollbackAll);
    let deadlines = &mut body["strategy"]["deadlines"];
    deadlines["staging_retries"] = json!(1);
    deadlines["stop"] = match script.release {
        Kind::IgnoreTerm => json!("3s"),
        _ => json!("20s"),
    };
    if !script.release.is_sound() {
        // What never becomes healthy need not be waited for as long as what may.
        deadlines["start"] = json!("6s");
        deadlines["verify"] = json!("6s");
    }
    body["strategy"]["rollback_notice"] = json!("1s");
    (release, body)
}

pub async fn execute(ground: &Ground, script: &Script, body: &Value) -> PlanId {
    let key = format!("round-{}-{}", script.seed, body["version"]);
    let api = ground.api();
    let created = api.post("/plan", body, &key, PATIENCE).await.unwrap();
    let plan = created.pointer("/plan/id").and_then(Value::as_str).unwrap();
    let mut tries = 0;
    wait_for(PATIENCE, "the plan is executed", async || {
        tries += 1;
        let body = json!({ "plan_id": plan });
        let key = format!("{key}-execute-{tries}");
        api.post("/execute", &body, &key, PATIENCE).await.ok()
    })
    .await;
    plan.parse().unwrap()
}

pub async fn take_back(ground: &Ground, script: &Script, plan: PlanId) -> PlanId {
    let path = format!("/plans/{plan}/rollback");
    let mut tries = 0;
    let answer = wait_for(PATIENCE, "the way back is begun", async || {
        tries += 1;
        let key = format!("round-{}-{plan}-back-{tries}", script.seed);
        let answer = ground.api().post(&path, &json!({}), &key, PATIENCE).await;
        answer.ok()
    })
    .await;
    let id = answer.pointer("/plan/id").and_then(Value::as_str);
    id.unwrap().parse().unwrap()
}

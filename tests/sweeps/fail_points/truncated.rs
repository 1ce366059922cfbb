//! Labels of a leader that comes back with entries which nobody else has: it must forget them.

use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use serde_json::json;

use super::armed;
use super::labels::{Scene, chosen};
use crate::stage::PATIENCE;
use crate::support::wait::wait_for;
use crate::tally::Tally;

/// The leader's last entry may have reached somebody after all; then there is nothing to forget.
const TRIES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_deposed_leader_dies_at_each_label_of_forgetting() {
    let mut tally = Tally::new("fail-points-truncate");
    let labels = chosen(|scene| scene == Scene::Truncated);
    if labels.is_empty() {
        return tally.end();
    }
    let mut cluster = armed::cluster().await;
    for (label, _) in labels {
        let mut outcome = Err("never tried".to_owned());
        for number in 0..TRIES {
            outcome = play(&mut cluster, label, number).await;
            if outcome.is_ok() {
                break;
            }
        }
        println!("{label:<24}{outcome:?}");
        tally.ran(label, outcome.map(|()| "died".to_owned()));
    }
    tally.end();
}

async fn play(cluster: &mut Cluster, label: &str, number: usize) -> Result<(), String> {
    let leader = wait_for(PATIENCE, "somebody leads", async || {
        cluster.leader().await.ok()
    })
    .await;
    let others: Vec<String> = cluster
        .names()
        .into_iter()
        .filter(|name| *name != leader)
        .collect();
    for name in &others {
        cluster.host_mut(name).unwrap().kill().await.unwrap();
    }
    let member = cluster.host(&leader).unwrap().ports.api.address();
    let key = format!("lost-{label}-{number}");
    let api = cluster.api.clone();
    let lost = tokio::spawn(async move {
        let body = json!({});
        let path = "/cluster/join-tokens";
        api.at(&member, "POST", path, Some(&body), Some(&key)).await
    });
    // Nobody else can acknowledge it; the answer is that it is unknown, or none.
    let answer = tokio::time::timeout(Duration::from_secs(1), lost).await;
    if let Ok(Ok(Ok(answer))) = answer {
        assert!(
            !answer.status.is_success(),
            "I22: acknowledged without a quorum: {answer:?}"
        );
    }
    cluster.host_mut(&leader).unwrap().kill().await.unwrap();
    for name in &others {
        cluster.start_daemon(name).unwrap();
    }
    let key = format!("kept-{label}-{number}");
    let path = "/cluster/join-tokens";
    let kept = cluster.api.post(path, &json!({}), &key, PATIENCE).await;
    kept.map_err(|error| error.to_string())?;
    let directory = cluster.host(&leader).unwrap().directory.clone();
    armed::arm(&directory, label, 1);
    cluster.start_daemon(&leader).unwrap();
    let host = cluster.host_mut(&leader).unwrap();
    let died = armed::died(host, label, Duration::from_secs(15)).await;
    armed::disarm(&directory);
    if died.is_ok() {
        cluster.start_daemon(&leader).unwrap();
    }
    armed::members_agree(cluster).await;
    died
}

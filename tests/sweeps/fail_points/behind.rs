//! Labels of a member that gets an image: it was away for longer than the log reaches back.

use aegis_updates::demo::cluster::Cluster;
use serde_json::json;

use super::armed;
use super::labels::{Scene, chosen};
use crate::stage::PATIENCE;
use crate::support::wait::wait_for;
use crate::tally::Tally;

/// More than one image's worth.
const ENTRIES: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_dies_at_each_label_of_an_image_that_it_gets() {
    let mut tally = Tally::new("fail-points-image");
    let labels = chosen(|scene| scene == Scene::Behind);
    if labels.is_empty() {
        return tally.end();
    }
    let mut cluster = armed::cluster().await;
    let leader = wait_for(PATIENCE, "somebody leads", async || {
        cluster.leader().await.ok()
    })
    .await;
    let names = cluster.names();
    let away = names.into_iter().find(|name| *name != leader).unwrap();
    cluster.host_mut(&away).unwrap().kill().await.unwrap();
    for (number, (label, _)) in labels.into_iter().enumerate() {
        is_missed(&cluster, &away).await;
        lengthen(&cluster, number).await;
        let directory = cluster.host(&away).unwrap().directory.clone();
        armed::arm(&directory, label, 1);
        cluster.start_daemon(&away).unwrap();
        let host = cluster.host_mut(&away).unwrap();
        let died = armed::died(host, label, PATIENCE).await;
        println!("{label:<24}{died:?}");
        if died.is_err() {
            let _ = cluster.host_mut(&away).unwrap().kill().await;
        }
        armed::disarm(&directory);
        tally.ran(label, died.map(|()| "died".to_owned()));
    }
    cluster.start_daemon(&away).unwrap();
    armed::members_agree(&cluster).await;
    tally.end();
}

/// What a leader is about to send it keeps in its log, so it must have given that up first.
async fn is_missed(cluster: &Cluster, away: &str) {
    wait_for(PATIENCE, "the leader misses it", async || {
        let nodes = cluster.api.get("/nodes", PATIENCE).await.ok()?;
        let mut nodes = nodes["nodes"].as_array()?.iter();
        let node = nodes.find(|node| node["node"] == away)?;
        (node["reachable"] == false).then_some(())
    })
    .await;
}

/// Entries that the member which is away will not find in the log.
async fn lengthen(cluster: &Cluster, round: usize) {
    for number in 0..ENTRIES {
        let key = format!("lengthen-{round}-{number}");
        cluster
            .api
            .post("/cluster/join-tokens", &json!({}), &key, PATIENCE)
            .await
            .unwrap();
    }
}

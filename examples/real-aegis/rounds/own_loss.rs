//! What the database itself loses of what it acknowledged, when it is stopped without the product's care. It
//! writes its one file of keys in place, at every write and once more at SIGTERM: a stop amid writes may leave
//! half a file, which it then starts without. So that is measured, and said beside every "0 lost".

use std::time::Duration;

use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::error::Error;
use aegis_updates::demo::live::say;
use aegis_updates::demo::load::Acknowledged;
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::process::Life;
use aegis_updates::demo::read_back::read_back;
use aegis_updates::demo::record::Health;
use aegis_updates::demo::wait::wait_for;
use aegis_updates::demo::wire::Link;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(5);
const CLIENTS: u32 = 4;
const WRITE_EVERY: Duration = Duration::from_millis(20);
const WRITE_FOR: Duration = Duration::from_secs(3);
const TRIES: u32 = 5;

pub async fn measure(cluster: &Cluster) -> Result<(), Error> {
    let name = cluster.names().remove(0);
    let observed = cluster.hosts.iter().map(|host| host.observed()).collect();
    let observer = Observer::start(observed, cluster.tools.clock)
        .map_err(Error::at("start", "the observer"))?;
    for (signal, word) in [(Signal::TERM, "SIGTERM"), (Signal::KILL, "SIGKILL")] {
        let (mut written, mut lost, mut stops) = (0, 0, 0);
        for _ in 0..TRIES {
            let life = healthy(&observer, &name, None).await?;
            let acknowledged = written_until_stopped(cluster, &name, signal, life).await?;
            healthy(&observer, &name, Some(life)).await?;
            let back = read_back(&acknowledged, &cluster.databases()).await;
            written += back.checked;
            lost += back.lost.len();
            stops += usize::from(!back.lost.is_empty());
        }
        say(&format!(
            "the database itself, {word} without a drain while {CLIENTS} clients write: {lost} of {written} acknowledged writes lost, in {stops} of {TRIES} stops"
        ));
    }
    Ok(())
}

/// The life of a database that is healthy, and not `before`.
async fn healthy(observer: &Observer, name: &str, before: Option<Life>) -> Result<Life, Error> {
    let what = format!("{name} is healthy");
    wait_for(PATIENCE, &what, async || {
        let record = observer.record();
        let life = record.running(name)?.life;
        let health = record.health_at(name, u64::MAX);
        let well = matches!(health, Some(Health::Healthy { .. })) && Some(life) != before;
        well.then_some(life)
    })
    .await
}

/// Clients write straight to the database; the signal comes amid that, and they go on until it is gone.
async fn written_until_stopped(
    cluster: &Cluster,
    name: &str,
    signal: Signal,
    life: Life,
) -> Result<Vec<Acknowledged>, Error> {
    let address = cluster.host(name)?.ports.database.address();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let prefix = format!("own-{}-{client}", life.pid);
        clients.spawn(write_on(address.clone(), name.to_owned(), prefix));
    }
    tokio::time::sleep(WRITE_FOR).await;
    let pid = i32::try_from(life.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Error(format!("{} is no pid", life.pid)))?;
    kill_process(pid, signal).map_err(|why| Error(format!("cannot stop {name}: {why}")))?;
    Ok(clients.join_all().await.into_iter().flatten().collect())
}

/// Until nobody answers any more; what was acknowledged.
async fn write_on(address: String, name: String, prefix: String) -> Vec<Acknowledged> {
    let mut written = Vec::new();
    let Ok(mut link) = Link::connect(&address, LIMIT).await else {
        return written;
    };
    let mut ticks = tokio::time::interval(WRITE_EVERY);
    for number in 0_u32.. {
        ticks.tick().await;
        let key = format!("{prefix}-{number}");
        let body = json!({ "key": key, "value": key }).to_string();
        let request = Request::post("/api/v1/kv/keys")
            .header("host", &address)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)));
        let Ok(request) = request else { break };
        match link.exchange(request, LIMIT).await {
            Ok(answer) if answer.status().is_success() => written.push(Acknowledged {
                backend: name.clone(),
                value: key.clone(),
                key,
            }),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    written
}

//! What the database itself loses of what it acknowledged, when it is stopped without the product's care.
//! It saves every so often and at SIGTERM: so it is measured, and said beside every "0 lost".

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
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(5);
const WRITE_EVERY: Duration = Duration::from_millis(20);
/// Longer than the 30 s after which the database saves.
const WRITE_FOR: Duration = Duration::from_secs(40);

pub async fn measure(cluster: &Cluster) -> Result<(), Error> {
    let name = cluster.names().remove(0);
    let observed = cluster.hosts.iter().map(|host| host.observed()).collect();
    let observer = Observer::start(observed, cluster.tools.clock)
        .map_err(Error::at("start", "the observer"))?;
    for (signal, word) in [(Signal::TERM, "SIGTERM"), (Signal::KILL, "SIGKILL")] {
        let life = healthy(&observer, &name, None).await?;
        let (written, until) = written_until_stopped(cluster, &name, signal, life).await?;
        healthy(&observer, &name, Some(life)).await?;
        let acknowledged: Vec<Acknowledged> =
            written.iter().map(|(_, write)| write.clone()).collect();
        let back = read_back(&acknowledged, &cluster.databases()).await;
        let of_lost = |write: &Acknowledged| {
            let begin = format!("{} on", write.key);
            back.lost.iter().any(|lost| lost.starts_with(&begin))
        };
        let first = written.iter().find(|(_, write)| of_lost(write));
        let since = first.map_or(0.0, |(at, _)| (until - *at).as_secs_f64());
        say(&format!(
            "the database itself, without drain, {word} while a client writes on: {} of {} acknowledged writes lost, the first {since:.1} s before the signal",
            back.lost.len(),
            back.checked,
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

/// Writes straight to the database, sends the signal after a while, and writes on until it is gone.
async fn written_until_stopped(
    cluster: &Cluster,
    name: &str,
    signal: Signal,
    life: Life,
) -> Result<(Vec<(Instant, Acknowledged)>, Instant), Error> {
    let address = cluster.host(name)?.ports.database.address();
    let mut link = Link::connect(&address, LIMIT)
        .await
        .map_err(|why| Error(why.to_string()))?;
    let mut written = Vec::new();
    let begun = Instant::now();
    let mut signalled = None;
    let mut ticks = tokio::time::interval(WRITE_EVERY);
    for number in 0_u32.. {
        ticks.tick().await;
        if signalled.is_none() && begun.elapsed() >= WRITE_FOR {
            signalled = Some(Instant::now());
            let pid = i32::try_from(life.pid).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| Error(format!("{} is no pid", life.pid)))?;
            kill_process(pid, signal).map_err(|why| Error(format!("cannot stop {name}: {why}")))?;
        }
        let key = format!("own-{}-{number}", life.pid);
        let at = Instant::now();
        match write(&mut link, &address, &key).await {
            Some(true) => written.push((
                at,
                Acknowledged {
                    backend: name.to_owned(),
                    value: key.clone(),
                    key,
                },
            )),
            Some(false) => {}
            None => break,
        }
    }
    let until = signalled.ok_or_else(|| Error(format!("{name} went away by itself")))?;
    Ok((written, until))
}

/// Whether it was acknowledged; `None`: there is nobody any more.
async fn write(link: &mut Link, address: &str, key: &str) -> Option<bool> {
    let request = Request::post("/api/v1/kv/keys")
        .header("host", address)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(
            json!({ "key": key, "value": key }).to_string(),
        )))
        .ok()?;
    let answer = link.exchange(request, LIMIT).await.ok()?;
    Some(answer.status().is_success())
}

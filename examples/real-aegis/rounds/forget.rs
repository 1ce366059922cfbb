//! Takes what a round wrote out of the databases again when it was read back, but for some that stay to the
//! end of the run: at every write the database writes its whole file of keys.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_updates::demo::error::Error;
use aegis_updates::demo::load::Acknowledged;
use aegis_updates::demo::wire::Link;
use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(15);
/// One of so many stays.
const KEPT_EVERY: usize = 50;

/// What stays.
pub async fn all_but_some(
    written: Vec<Acknowledged>,
    databases: &BTreeMap<String, String>,
) -> Result<Vec<Acknowledged>, Error> {
    let mut nodes = JoinSet::new();
    let mut kept = Vec::new();
    for (name, address) in databases {
        let of_node = written.iter().filter(|write| write.backend == *name);
        let (stay, go): (Vec<_>, Vec<_>) = of_node
            .cloned()
            .enumerate()
            .partition(|(index, _)| index % KEPT_EVERY == 0);
        kept.extend(stay.into_iter().map(|(_, write)| write));
        let keys = go.into_iter().map(|(_, write)| write.key).collect();
        nodes.spawn(forget(address.clone(), keys));
    }
    nodes
        .join_all()
        .await
        .into_iter()
        .collect::<Result<(), _>>()?;
    Ok(kept)
}

async fn forget(address: String, keys: Vec<String>) -> Result<(), Error> {
    let failed = |why: &dyn std::fmt::Display| Error(format!("cannot forget a key: {why}"));
    let link = Link::connect(&address, LIMIT).await;
    let mut link = link.map_err(|why| failed(&why))?;
    for key in keys {
        let request = Request::delete(format!("/api/v1/kv/keys/{key}"))
            .header("host", &address)
            .body(Full::default())
            .map_err(|why| failed(&why))?;
        let answer = link.exchange(request, LIMIT).await;
        let answer = answer.map_err(|why| failed(&why))?;
        if !answer.status().is_success() {
            return Err(failed(&format!("{key}: {}", answer.status())));
        }
    }
    Ok(())
}

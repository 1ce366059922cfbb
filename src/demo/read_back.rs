//! The proof that nothing acknowledged was lost: every write of a load, read from the node that took it.

use std::collections::BTreeMap;

use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

use super::load::{Acknowledged, LIMIT, value_of};
use super::wire::{self, Link};

/// What reading all acknowledged writes back found.
#[derive(Debug, Clone, Default)]
pub struct ReadBack {
    pub checked: usize,
    /// One sentence for each write that is not there as acknowledged.
    pub lost: Vec<String>,
}

/// Reads every acknowledged write from the node that took it; `databases` maps names to `host:port`.
pub async fn read_back(
    acknowledged: &[Acknowledged],
    databases: &BTreeMap<String, String>,
) -> ReadBack {
    let mut nodes = JoinSet::new();
    for (name, address) in databases {
        let writes: Vec<Acknowledged> = acknowledged
            .iter()
            .filter(|write| write.backend == *name)
            .cloned()
            .collect();
        nodes.spawn(read_back_from(address.clone(), writes));
    }
    let mut found = ReadBack::default();
    for node in nodes.join_all().await {
        found.checked += node.checked;
        found.lost.extend(node.lost);
    }
    for write in acknowledged
        .iter()
        .filter(|write| !databases.contains_key(&write.backend))
    {
        found.lost.push(format!(
            "{} was taken by {}, which nobody knows",
            write.key, write.backend
        ));
    }
    found
}

async fn read_back_from(address: String, writes: Vec<Acknowledged>) -> ReadBack {
    let mut found = ReadBack {
        checked: writes.len(),
        lost: Vec::new(),
    };
    let mut link = None;
    for write in writes {
        match read_one(&address, &mut link, &write.key).await {
            Ok(value) if value.as_ref() == Some(&write.value) => {}
            Ok(value) => found.lost.push(format!(
                "{} on {} is {value:?} instead of `{}`",
                write.key, write.backend, write.value
            )),
            Err(error) => found
                .lost
                .push(format!("{} on {}: {error}", write.key, write.backend)),
        }
    }
    found
}

async fn read_one(
    address: &str,
    link: &mut Option<Link>,
    key: &str,
) -> Result<Option<String>, wire::Error> {
    let request = Request::get(format!("/api/v1/kv/keys/{key}"))
        .header("host", address)
        .body(Full::default())
        .map_err(|error| wire::Error::Exchange {
            to: address.to_owned(),
            why: error.to_string(),
        })?;
    let mut open = match link.take() {
        Some(link) if link.is_open() => link,
        _ => Link::connect(address, LIMIT).await?,
    };
    let answer = open.exchange(request, LIMIT).await?;
    *link = Some(open);
    Ok(value_of(answer.body()))
}

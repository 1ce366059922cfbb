//! State as rows and back. A row is one node, plan, token or request, or the head; its value names its
//! fields, so that members of two versions read each other's. The digest is over all rows.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::state::{Part, State};
use crate::access::principal::Principal;
use crate::base::digest::Digest;
use crate::base::packed;
use crate::base::version;

/// A changed row; `None` deletes it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// A row's key and value.
pub type Row = (Vec<u8>, Vec<u8>);

const HEAD: &str = "head";

/// The rows that the entries applied since the last call changed.
pub fn changed(state: &mut State) -> Result<Vec<Change>, String> {
    let touched = std::mem::take(&mut state.touched);
    let mut rows = Vec::with_capacity(touched.len() + 1);
    for part in touched {
        rows.push((key(&part), value(state, &part)?));
    }
    rows.push((HEAD.as_bytes().to_vec(), Some(encode(&state.head)?)));
    Ok(rows)
}

/// Every row of the state, in key order.
pub fn all(state: &State) -> Result<Vec<Row>, String> {
    let State {
        head,
        nodes,
        plans,
        tokens,
        requests,
        touched: _,
    } = state;
    let mut rows = vec![(HEAD.as_bytes().to_vec(), encode(head)?)];
    for (name, node) in nodes {
        rows.push((key(&Part::Node(name.clone())), encode(node)?));
    }
    for (id, plan) in plans {
        rows.push((key(&Part::Plan(*id)), encode(plan)?));
    }
    for (id, token) in tokens {
        rows.push((key(&Part::Token(id.clone())), encode(token)?));
    }
    for ((actor, request), kept) in requests {
        rows.push((
            key(&Part::Request(actor.clone(), request.clone())),
            encode(&(actor, kept))?,
        ));
    }
    rows.sort();
    Ok(rows)
}

/// The state that these rows hold. A store of a cluster version that this daemon does not support is an error, and so
/// is a kind of row that it does not know, and a row under another's key, which nobody would ever write over.
pub fn restore(rows: impl Iterator<Item = Row>) -> Result<State, String> {
    let rows: Vec<Row> = rows.collect();
    // Before any row is read as this version understands it.
    if let Some((_, head)) = rows.iter().find(|(key, _)| key == HEAD.as_bytes()) {
        let Marked { version } = decode(HEAD, head)?;
        version::Supported::OURS.check(version)?;
    }
    let mut state = State::default();
    for (key, value) in rows {
        let text = String::from_utf8_lossy(&key).into_owned();
        let kind = text.split('/').next().unwrap_or_default();
        let part = match kind {
            HEAD => {
                state.head = decode(&text, &value)?;
                None
            }
            "node" => {
                let node: crate::fleet::node::Node = decode(&text, &value)?;
                let part = Part::Node(node.name.clone());
                state.nodes.insert(node.name.clone(), node);
                Some(part)
            }
            "plan" => {
                let plan: crate::plans::plan::Plan = decode(&text, &value)?;
                let part = Part::Plan(plan.id);
                state.plans.insert(plan.id, plan);
                Some(part)
            }
            "token" => {
                let token: crate::access::token::Token = decode(&text, &value)?;
                let part = Part::Token(token.id.clone());
                state.tokens.insert(token.id.clone(), token);
                Some(part)
            }
            "request" => {
                let (actor, kept): (Principal, super::state::Request) = decode(&text, &value)?;
                let part = Part::Request(actor.clone(), kept.key.key.clone());
                state.requests.insert((actor, kept.key.key.clone()), kept);
                Some(part)
            }
            _ => return Err(format!("a row of unknown kind: {text}")),
        };
        let own = part.map_or_else(|| HEAD.as_bytes().to_vec(), |part| self::key(&part));
        if own != key {
            return Err(format!("row {text} holds what belongs elsewhere"));
        }
    }
    Ok(state)
}

/// The one field of the head that every version reads.
#[derive(Deserialize)]
struct Marked {
    #[serde(default)]
    version: version::Cluster,
}

/// Equal on members at the same applied index.
pub fn digest(state: &State) -> Result<Digest, String> {
    let mut bytes = Vec::new();
    for (key, value) in all(state)? {
        for part in [key, value] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(&part);
        }
    }
    Ok(Digest::of(&bytes))
}

/// The digest without what also a refused command moves: clock, applied index, request keys, term.
pub fn digest_of_effects(state: &State) -> Result<Digest, String> {
    let mut state = state.clone();
    state.head.clock = Default::default();
    state.head.applied = 0;
    state.head.term = Default::default();
    state.requests.clear();
    digest(&state)
}

fn key(part: &Part) -> Vec<u8> {
    let text = match part {
        Part::Node(name) => format!("node/{name}"),
        Part::Plan(id) => format!("plan/{:020}", id.0),
        Part::Token(id) => format!("token/{id}"),
        Part::Request(actor, key) => format!(
            "request/{}",
            Digest::of(format!("{actor}\n{key}").as_bytes())
        ),
    };
    text.into_bytes()
}

fn value(state: &State, part: &Part) -> Result<Option<Vec<u8>>, String> {
    let row = match part {
        Part::Node(name) => state.nodes.get(name).map(encode),
        Part::Plan(id) => state.plans.get(id).map(encode),
        Part::Token(id) => state.tokens.get(id).map(encode),
        Part::Request(actor, key) => state
            .requests
            .get(&(actor.clone(), key.clone()))
            .map(|kept| encode(&(actor, kept))),
    };
    row.transpose()
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec_named(value).map_err(|error| format!("a row could not be encoded: {error}"))
}

fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, String> {
    packed::decode(bytes).map_err(|error| format!("row {key} could not be decoded: {error}"))
}

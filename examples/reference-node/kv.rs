//! The key-value routes, with the paths and bodies of the real database.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::node::Node;
use crate::record::{Entry, Record};
use crate::unix_ms;

const LIST_LIMIT: usize = 100;

#[derive(Deserialize)]
pub struct Set {
    key: String,
    value: Value,
    ttl: Option<u64>,
}

#[derive(Deserialize)]
pub struct Listing {
    prefix: Option<String>,
    limit: Option<usize>,
}

pub async fn list(State(node): State<Node>, Query(listing): Query<Listing>) -> Response {
    let prefix = listing.prefix.unwrap_or_default();
    let keys = node
        .store
        .list(&prefix, listing.limit.unwrap_or(LIST_LIMIT));
    let total = keys.len();
    Json(json!({ "keys": keys, "total": total })).into_response()
}

pub async fn set(State(node): State<Node>, Json(set): Json<Set>) -> Response {
    let now = unix_ms();
    let created_at = node.store.get(&set.key).map_or(now, |old| old.created_at);
    let entry = Entry {
        key: set.key,
        value: set.value,
        ttl: set.ttl,
        created_at,
        updated_at: now,
    };
    match write(&node, Record::Set(entry.clone())).await {
        Ok(()) => Json(entry).into_response(),
        Err(answer) => answer,
    }
}

pub async fn get(State(node): State<Node>, Path(key): Path<String>) -> Response {
    match node.store.get(&key) {
        Some(entry) => Json(entry).into_response(),
        None => (StatusCode::NOT_FOUND, Json(Value::Null)).into_response(),
    }
}

pub async fn delete(State(node): State<Node>, Path(key): Path<String>) -> Response {
    if node.store.get(&key).is_none() {
        let body = json!({ "success": false, "error": "Key not found" });
        return (StatusCode::NOT_FOUND, Json(body)).into_response();
    }
    match write(&node, Record::Delete { key: key.clone() }).await {
        Ok(()) => Json(json!({ "success": true, "key": key })).into_response(),
        Err(answer) => answer,
    }
}

async fn write(node: &Node, record: Record) -> Result<(), Response> {
    let refuse = |what: &str| {
        let body = Json(json!({ "success": false, "error": what }));
        (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
    };
    if node.faults.read().0 == Fault::LyingHealth {
        return Err(refuse("the write was dropped"));
    }
    node.store.write(record).await.map_err(|what| refuse(&what))
}

//! The cluster and admin routes, with the paths, bodies and oddities of the real database.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::node::Node;
use crate::peers::{Greeting, Status};
use crate::unix_ms;

pub async fn info(State(node): State<Node>) -> Response {
    Json(node.peers.own_info(metrics(&node))).into_response()
}

pub async fn peers(State(node): State<Node>) -> Response {
    Json(node.peers.list()).into_response()
}

/// Registers the caller and answers with every node known here, this one included.
pub async fn join(State(node): State<Node>, Json(greeting): Json<Greeting>) -> Response {
    let caller = greeting.node_id.clone();
    node.peers.heard(greeting);
    let mut peers = node.peers.list();
    peers.push(node.peers.own_info(metrics(&node)));
    let message = format!("Node {caller} joined the cluster");
    Json(json!({ "success": true, "message": message, "peers": peers })).into_response()
}

pub async fn heartbeat(State(node): State<Node>, Json(greeting): Json<Greeting>) -> Response {
    node.peers.heard(greeting);
    Json(json!({ "success": true, "timestamp": unix_ms() })).into_response()
}

/// Every node reports itself as leader here; this is why nobody may use it.
pub async fn admin_cluster(State(node): State<Node>) -> Response {
    let peers = node.peers.list();
    let state = if peers.iter().any(|peer| peer.status == Status::Offline) {
        "Degraded"
    } else {
        "Healthy"
    };
    Json(json!({
        "name": "aegis-cluster",
        "version": node.release.version,
        "node_count": peers.len() + 1,
        "leader_id": node.peers.own.id,
        "state": state,
        "uptime_seconds": node.peers.own.started.elapsed().as_secs(),
    }))
    .into_response()
}

/// Answers 200 also when there is no such peer, as when the node is asked to drain itself.
pub async fn drain(State(node): State<Node>, Path(node_id): Path<String>) -> Response {
    let success = node.peers.drain(&node_id);
    let message = if success {
        format!("Node {node_id} marked as draining. Traffic will be redirected to other nodes.")
    } else {
        format!("Node {node_id} not found in cluster peers.")
    };
    Json(json!({ "success": success, "message": message, "node_id": node_id })).into_response()
}

pub async fn backup(State(node): State<Node>) -> Response {
    let id = format!("backup-{}", unix_ms());
    let store = std::sync::Arc::clone(&node.store);
    let name = id.clone();
    let result = tokio::task::spawn_blocking(move || store.back_up(&name)).await;
    match result
        .map_err(|source| source.to_string())
        .and_then(|result| result)
    {
        Ok(size_bytes) => {
            let backup =
                json!({ "id": id, "version": node.release.version, "size_bytes": size_bytes });
            Json(json!({ "success": true, "backup": backup, "error": null })).into_response()
        }
        Err(what) => {
            let body = json!({ "success": false, "backup": null, "error": what });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

fn metrics(node: &Node) -> Value {
    json!({ "keys": node.store.len() })
}

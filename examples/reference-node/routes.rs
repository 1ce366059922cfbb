//! Which path goes where. Only dispatch.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::node::Node;
use crate::{auth, cluster, health, kv};

pub fn router(node: Node) -> Router {
    let behind_login = Router::new()
        .route("/api/v1/kv/keys", get(kv::list).post(kv::set))
        .route("/api/v1/kv/keys/{key}", get(kv::get).delete(kv::delete))
        .route("/api/v1/cluster/info", get(cluster::info))
        .route("/api/v1/cluster/peers", get(cluster::peers))
        .route("/api/v1/cluster/join", post(cluster::join))
        .route("/api/v1/cluster/heartbeat", post(cluster::heartbeat))
        .route("/api/v1/admin/cluster", get(cluster::admin_cluster))
        .route("/api/v1/admin/nodes/{node_id}/drain", post(cluster::drain))
        .route("/api/v1/admin/backup", post(cluster::backup))
        .route_layer(from_fn_with_state(node.clone(), auth::require));
    Router::new()
        .route("/health", get(health::health))
        .route("/fault", get(health::show_fault).post(health::change_fault))
        .route("/api/v1/auth/login", post(auth::log_in))
        .merge(behind_login)
        .with_state(node)
}

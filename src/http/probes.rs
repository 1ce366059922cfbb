//! The probe listener: ready or not, and nothing else. It asks for no token, so it tells no names, no
//! versions and no reasons.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::control::service::{Readiness, Service};

pub fn router(core: Arc<dyn Service>) -> Router {
    Router::new()
        // The database of this host may be sent requests.
        .route("/ready", get(ready))
        // This daemon runs.
        .route("/healthz", get(healthz))
        // This member takes part.
        .route("/readyz", get(readyz))
        .with_state(core)
}

async fn ready(State(core): State<Arc<dyn Service>>) -> (StatusCode, &'static str) {
    word(core.readiness(), |readiness| readiness.database_ready)
}

async fn healthz(State(core): State<Arc<dyn Service>>) -> (StatusCode, &'static str) {
    word(core.readiness(), |readiness| readiness.alive)
}

async fn readyz(State(core): State<Arc<dyn Service>>) -> (StatusCode, &'static str) {
    word(core.readiness(), |readiness| readiness.member_ready)
}

fn word(readiness: Readiness, asked: fn(&Readiness) -> bool) -> (StatusCode, &'static str) {
    if asked(&readiness) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

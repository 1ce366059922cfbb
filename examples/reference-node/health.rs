//! `GET /health`, where most faults show, and `GET`/`POST /fault`, by which a test makes a running
//! node sick or well.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::fault::Fault;
use crate::node::Node;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    fault: String,
}

pub async fn health(State(node): State<Node>) -> Response {
    let (fault, age) = node.faults.read();
    if let Fault::SlowHealth { ms } = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let sick = match &fault {
        Fault::NeverHealthy => true,
        Fault::UnhealthyAfter { ms } => age >= Duration::from_millis(*ms),
        Fault::Flapping { period_ms } => age.as_millis() / u128::from(*period_ms) % 2 == 1,
        _ => false,
    };
    let version = match &fault {
        Fault::WrongVersion { reported } => reported,
        _ => &node.release.version,
    };
    if fault == Fault::GarbageHealth {
        return (StatusCode::OK, "{\"status\": \"heal").into_response();
    }
    let (status, word) = if sick {
        (StatusCode::SERVICE_UNAVAILABLE, "unhealthy")
    } else {
        (StatusCode::OK, "healthy")
    };
    (status, Json(json!({ "status": word, "version": version }))).into_response()
}

pub async fn show_fault(State(node): State<Node>) -> Response {
    let (fault, age) = node.faults.read();
    Json(json!({ "fault": fault.to_string(), "on_for_ms": age.as_millis() as u64, "start": node.start }))
        .into_response()
}

pub async fn change_fault(State(node): State<Node>, Json(change): Json<Change>) -> Response {
    let refuse = |what: String| {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({ "error": what })),
        )
            .into_response()
    };
    match change.fault.parse::<Fault>() {
        Err(what) => refuse(what),
        Ok(fault) if fault.acts_only_at_start() => refuse(format!(
            "`{fault}` acts only at the start of a node; mint a release or set REFERENCE_FAULT"
        )),
        Ok(fault) => {
            node.faults.set(fault.clone());
            Json(json!({ "fault": fault.to_string() })).into_response()
        }
    }
}

//! The journal, oldest first, by pages from this member's own store.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::call::{Answer, Call, clipped, json};
use super::error::Problem;
use super::kind::Kind;
use super::when::rfc3339;
use crate::control::service::Place;

/// `cursor` is the place of the last record of the page before: `index.ordinal`.
pub async fn list(call: Call) -> Answer {
    let query = call.query(&["limit", "cursor"])?;
    let limit = query.limit()?;
    let after = query.text("cursor").map(place).transpose()?;
    let records = call.api.core.journal(after, limit).await?;
    let last = records
        .last()
        .filter(|_| records.len() == limit)
        .map(|record| format!("{}.{}", record.index, record.ordinal));
    let rows: Vec<Value> = records
        .iter()
        .map(|record| {
            json!({
                "index": record.index,
                "ordinal": record.ordinal,
                "term": record.term,
                "at": rfc3339(record.wall_ms),
                "run_ms": record.run_ms,
                "actor": record.actor,
                "reason": record.reason,
                "fact": record.fact,
                "chain": record.chain,
            })
        })
        .collect();
    let body = json!({ "success": true, "records": rows, "next_cursor": last });
    Ok(json(StatusCode::OK, &body))
}

/// `index.ordinal`.
pub fn place(text: &str) -> Result<Place, Problem> {
    let parts = text.split_once('.');
    let read =
        parts.and_then(|(index, ordinal)| Some((index.parse().ok()?, ordinal.parse().ok()?)));
    read.ok_or_else(|| {
        Problem::new(
            Kind::MalformedPlace,
            format!("`{}` is not a place in the journal", clipped(text)),
            "use an id as an answer gave it, as in 1234.0",
        )
    })
}

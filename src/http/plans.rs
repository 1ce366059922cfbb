//! Plans, read: list, one, its nodes, what it waits for, and the preview of one that does not exist yet.

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::call::{Answer, Call, Query, json};
use super::error::{Problem, unavailable_code};
use super::kind::Kind;
use super::{create, plan_view};
use crate::base::ids::PlanId;
use crate::control::service::{PreviewNode, Reading, Unavailable};
use crate::decision::waiting::Wait;
use crate::plans::plan::{Plan, Status};

pub async fn preview(call: Call) -> Answer {
    call.query(&[])?;
    let spec = create::spec(&call)?;
    let preview = call.api.core.preview(spec).await?;
    let refused = preview
        .refused
        .clone()
        .map(|refusal| Problem::from(refusal).body());
    let waves: Vec<Vec<Value>> = preview
        .waves
        .iter()
        .map(|wave| wave.iter().map(preview_node).collect())
        .collect();
    let body = json!({
        "success": true,
        "waves": waves,
        "handoff_to": preview.handoff_to,
        "min_available": preview.min_available,
        "red": preview.red,
        "ready": preview.red.is_empty() && refused.is_none(),
        "refused": refused,
    });
    Ok(json(StatusCode::OK, &body))
}

fn preview_node(node: &PreviewNode) -> Value {
    let PreviewNode {
        node,
        leads,
        running,
        already_there,
        disk_free_bytes,
        artifact,
    } = node;
    json!({
        "node": node,
        "leads": leads,
        "running": running,
        "already_there": already_there,
        "disk_free_bytes": disk_free_bytes,
        "artifact_bytes": artifact.as_ref().and_then(|found| found.as_ref().ok()),
        "artifact_error": artifact.as_ref().and_then(|found| found.as_ref().err()),
    })
}

/// Newest first; `cursor` is the last id of the page before.
pub async fn list(call: Call) -> Answer {
    let query = call.query(&["consistency", "limit", "cursor", "status"])?;
    let limit = query.limit()?;
    let cursor: Option<PlanId> = query.parsed("cursor", Kind::MalformedPlanId)?;
    let status = query.text("status");
    let known = [
        "Pending",
        "InProgress",
        "Paused",
        "RollingBack",
        "Completed",
        "Failed",
        "RolledBack",
        "Cancelled",
    ];
    if let Some(unknown) = status.filter(|status| !known.contains(status)) {
        return Err(Problem::new(
            Kind::MalformedParameter,
            format!("there is no status `{}`", super::call::clipped(unknown)),
            format!("use one of {}", known.join(", ")),
        ));
    }
    let reading = call.read(&query).await?;
    let chosen = |plan: &&Plan| {
        cursor.is_none_or(|cursor| plan.id < cursor)
            && status.is_none_or(|status| plan.status.name() == status)
    };
    let mut plans = reading.state.plans.values().rev().filter(chosen);
    let page: Vec<&Plan> = plans.by_ref().take(limit).collect();
    let more = plans.next().is_some();
    let last = page.last().filter(|_| more).map(|plan| plan.id);
    let page: Vec<Value> = page
        .into_iter()
        .map(|plan| plan_view::plan(plan, &reading.state))
        .collect();
    let body = json!({
        "success": true,
        "plans": page,
        "next_cursor": last,
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

pub async fn show(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let id = call.plan()?;
    let reading = call.read(&query).await?;
    let plan = reading.state.plan(id)?;
    let body = json!({
        "success": true,
        "plan": plan_view::plan(plan, &reading.state),
        "stale_ms": reading.stale_ms,
    });
    let mut response = json(StatusCode::OK, &body);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", plan.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

pub async fn nodes(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let id = call.plan()?;
    let reading = call.read(&query).await?;
    let plan = reading.state.plan(id)?;
    let body = json!({
        "success": true,
        "nodes": plan_view::nodes(plan, &reading.state),
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

pub async fn explain(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let id = call.plan()?;
    let reading = call.read(&query).await?;
    let plan = reading.state.plan(id)?;
    let waits = match &plan.status {
        Status::Pending => vec![not_executed(id)],
        status if status.is_final() => Vec::new(),
        _ => live_waits(&call, &query, plan, &reading).await?,
    };
    let body = json!({
        "success": true,
        "plan": id,
        "status": plan.status.name(),
        "detail": plan.detail,
        "waits": waits,
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

async fn live_waits(
    call: &Call,
    query: &Query,
    plan: &Plan,
    reading: &Reading,
) -> Result<Vec<Wait>, Problem> {
    query.consistency()?;
    let asked = call.in_time(call.api.core.explain()).await;
    match asked.unwrap_or(Err(Unavailable::QuorumLost)) {
        Ok(waits) => Ok(waits),
        // Whoever asked for local answers gets one: that nobody decides is what the plan waits for.
        Err(unavailable) if reading.stale_ms.is_some() => {
            Ok(vec![without_leader(plan, unavailable)])
        }
        Err(unavailable) => Err(unavailable.into()),
    }
}

fn not_executed(id: PlanId) -> Wait {
    Wait {
        code: "not_executed".to_owned(),
        subject: Some(id.to_string()),
        detail: "the plan was created and nobody has executed it".to_owned(),
        since_ms: None,
        until_ms: None,
        next: "it expires if nobody does".to_owned(),
        commands: vec![format!("plan execute {id}"), format!("plan cancel {id}")],
    }
}

fn without_leader(plan: &Plan, unavailable: Unavailable) -> Wait {
    Wait {
        code: unavailable_code(unavailable).to_owned(),
        subject: None,
        detail: format!("nobody decides: {unavailable}"),
        since_ms: None,
        until_ms: None,
        next: "it goes on by itself when a majority of the members answers".to_owned(),
        commands: vec![
            "cluster show --consistency local".to_owned(),
            format!("watch {}", plan.id),
        ],
    }
}

//! The first seed's five endpoints, in its shape: `success`, `plan` or `plans`, `error`.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::api::WAIT_MAX;
use super::call::{Answer, Call, Query, clipped, duration, json};
use super::error::Problem;
use super::kind::Kind;
use super::openapi::texts;
use super::{create, plan_view, plans};
use crate::base::ids::PlanId;
use crate::control::service::Consistency;
use crate::machine::command::Command;
use crate::machine::state::Reply;
use crate::plans::plan::Status;

pub async fn version(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let reading = call.read(&query).await?;
    let hosts = call.hosts().await;
    let mut versions = BTreeSet::new();
    let nodes: Vec<Value> = reading
        .state
        .nodes
        .values()
        .map(|node| {
            let host = hosts.get(&node.name);
            let sample = host.and_then(|host| host.sample.as_ref());
            // What the host said last is fresher than what it last reported into the log.
            let version = sample.map_or(&node.database.version, |sample| &sample.version);
            let digest = sample.map_or(node.database.digest, |sample| sample.digest);
            versions.insert((version.clone(), digest));
            json!({
                "node_id": node.name,
                "name": node.name,
                "member": node.member,
                "version": version,
                "binary_hash": digest,
                "reachable": host.is_some_and(|host| host.reachable),
                "age_ms": host.and_then(|host| host.age_ms),
            })
        })
        .collect();
    let body = json!({
        "success": true,
        "updater_version": env!("CARGO_PKG_VERSION"),
        "node": call.api.core.identity().node,
        "nodes": nodes,
        "agree": versions.len() <= 1,
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

pub async fn create(call: Call) -> Answer {
    call.query(&[])?;
    let spec = create::spec(&call)?;
    let reply = call.submit(Command::CreatePlan(spec)).await?;
    answer_with_plan(&call, &reply, None, StatusCode::CREATED).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Execute {
    #[schema(value_type = texts::PlanId)]
    plan_id: String,
    /// The previewed or shown revision; refused when the plan was changed since.
    revision: Option<u64>,
}

pub async fn execute(call: Call) -> Answer {
    let query = call.query(&["wait"])?;
    let wait = wait(&query)?;
    let body: Execute = call.body()?;
    let plan: PlanId = body.plan_id.parse().map_err(|_| {
        Problem::new(
            Kind::MalformedPlanId,
            format!("`{}` is not a plan's id", clipped(&body.plan_id)),
            "ids look like p-17; `plan list` shows them",
        )
    })?;
    let revision = body.revision.or(call.if_match()?);
    let reply = call.submit(Command::Execute { plan, revision }).await?;
    let status = match wait {
        Some(limit) if settled(&call, plan, limit).await? => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    answer_with_plan(&call, &reply, Some(plan), status).await
}

pub async fn status(call: Call) -> Answer {
    plans::show(call).await
}

pub async fn history(call: Call) -> Answer {
    plans::list(call).await
}

/// The plan as it is after the write, from a state that includes it.
pub async fn answer_with_plan(
    call: &Call,
    reply: &Reply,
    asked: Option<PlanId>,
    status: StatusCode,
) -> Answer {
    let (id, status) = match reply {
        Reply::Plan { id, .. } => (Some(*id), status),
        Reply::Unchanged => (asked, StatusCode::OK),
        Reply::Done | Reply::Joined { .. } | Reply::Token { .. } => (asked, status),
    };
    // The write is committed: that it cannot be shown at this moment is no failure of it.
    let plan = call.read_back().await.ok().and_then(|(reading, _)| {
        let plan = reading.state.plans.get(&id?)?;
        Some(plan_view::plan(plan, &reading.state))
    });
    let plan = plan.or_else(|| id.map(|id| json!({ "id": id })));
    Ok(json(status, &json!({ "success": true, "plan": plan })))
}

/// `?wait=30s`, or `?wait=true` for as long as it takes.
pub fn wait(query: &Query) -> Result<Option<Duration>, Problem> {
    match query.text("wait") {
        None | Some("false") => Ok(None),
        Some("true" | "") => Ok(Some(WAIT_MAX)),
        Some(text) => Ok(Some(duration(text)?.as_duration().min(WAIT_MAX))),
    }
}

/// Waits until the plan is final or needs somebody; false when that took too long.
async fn settled(call: &Call, plan: PlanId, limit: Duration) -> Result<bool, Problem> {
    let end = Instant::now() + limit;
    let mut applied = call.api.core.applied();
    // This member may be behind what the leader just committed: a state without the plan, or with the
    // plan still pending, is no answer.
    loop {
        applied.borrow_and_update();
        let reading = call.api.core.read(Consistency::Local).await?;
        let status = reading.state.plans.get(&plan).map(|plan| &plan.status);
        if status.is_some_and(|status| status.is_final() || matches!(status, Status::Paused { .. }))
        {
            return Ok(true);
        }
        match timeout_at(end, applied.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(false),
        }
    }
}

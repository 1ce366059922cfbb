//! Acts on a plan and on one node of it. A repeated act that changes nothing answers 200 as well.

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::call::{Answer, Call};
use super::create::named_nodes;
use super::error::Problem;
use super::openapi::{self, texts};
use super::seed::answer_with_plan;
use crate::base::ids::PlanId;
use crate::machine::command::Command;
use crate::plans::plan::Direction;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    #[schema(value_type = Option<openapi::plans::Direction>)]
    direction: Option<Way>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeBack {
    /// Of a final plan; absent: all its nodes.
    #[schema(value_type = Option<Vec<texts::Name>>)]
    nodes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Forward,
    Rollback,
}

pub async fn pause(call: Call) -> Answer {
    act(call, |plan| Command::Pause { plan }).await
}

pub async fn resume(call: Call) -> Answer {
    call.query(&[])?;
    let plan = call.plan()?;
    let body: Resume = call.body()?;
    let direction = body.direction.map(|way| match way {
        Way::Forward => Direction::Forward,
        Way::Rollback => Direction::Back,
    });
    finish(&call, plan, Command::Resume { plan, direction }).await
}

pub async fn cancel(call: Call) -> Answer {
    act(call, |plan| Command::Cancel { plan }).await
}

/// Turns a live plan; of a final one it makes and starts a plan of kind rollback, which is answered.
pub async fn rollback(call: Call) -> Answer {
    call.query(&[])?;
    let plan = call.plan()?;
    let body: TakeBack = call.body()?;
    let nodes = body.nodes.as_deref().map(named_nodes).transpose()?;
    finish(&call, plan, Command::Rollback { plan, nodes }).await
}

pub async fn retry(call: Call) -> Answer {
    let node = call.node()?;
    act(call, |plan| Command::RetryNode { plan, node }).await
}

pub async fn skip(call: Call) -> Answer {
    let node = call.node()?;
    act(call, |plan| Command::SkipNode { plan, node }).await
}

async fn act(call: Call, command: impl FnOnce(PlanId) -> Command) -> Answer {
    nothing(&call)?;
    let plan = call.plan()?;
    finish(&call, plan, command(plan)).await
}

async fn finish(call: &Call, plan: PlanId, command: Command) -> Answer {
    let reply = call.submit(command).await?;
    answer_with_plan(call, &reply, Some(plan), StatusCode::OK).await
}

/// Neither parameters nor a body with fields.
pub fn nothing(call: &Call) -> Result<(), Problem> {
    call.query(&[])?;
    let Nothing {} = call.body()?;
    Ok(())
}

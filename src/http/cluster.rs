//! The cluster as a whole: who leads, who votes, how fresh the quorum is; and handing leadership over.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::call::{Answer, Call, json, node_name};
use super::nodes::done;
use super::openapi::texts::Name;

pub async fn show(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let reading = call.read(&query).await?;
    let state = &reading.state;
    let consensus = call.api.core.consensus();
    let identity = call.api.core.identity();
    let leader = consensus
        .leader
        .and_then(|member| state.node_of_member(member));
    let cluster = state.head.cluster.as_ref();
    let body = json!({
        "success": true,
        "cluster": identity.cluster,
        "incarnation": cluster.map(|cluster| cluster.incarnation),
        "settings": cluster.map(|cluster| &cluster.settings),
        "leader": leader.map(|node| &node.name),
        "leader_member": consensus.leader,
        "term": consensus.term,
        "voters": consensus.voters,
        "learners": consensus.learners,
        "changing": consensus.changing || state.head.membership.is_changing(),
        "asked": {
            "node": identity.node,
            "member": identity.member,
            "role": consensus.role,
            "applied": consensus.applied,
            "quorum_ack_age_ms": consensus.quorum_ack_age_ms,
            "insecure_plaintext": identity.insecure_plaintext,
        },
        "live_plan": state.live_plan().map(|plan| plan.id),
        "run_ms": state.run_ms(),
        "journal": state.head.journal,
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    #[schema(value_type = Name)]
    to: String,
}

pub async fn transfer(call: Call) -> Answer {
    call.query(&[])?;
    let body: Transfer = call.body()?;
    let to = node_name(&body.to)?;
    let (actor, reason) = (call.principal.clone(), call.reason()?);
    let reply = call.api.core.transfer_leader(actor, reason, to).await?;
    Ok(done(&reply))
}

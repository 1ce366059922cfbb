//! The cluster as a whole: who leads, who votes, how fresh the quorum is, at which version it is; handing
//! leadership over, and raising the version.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::call::{Answer, Call, json, node_name};
use super::kind::Kind;
use super::nodes::done;
use super::openapi::texts::Name;
use crate::base::version;
use crate::machine::command::{Command, Raise};
use crate::machine::image;
use crate::machine::state::{Reply, State};

pub async fn show(call: Call) -> Answer {
    let query = call.query(&["consistency", "digest"])?;
    let digest: Option<bool> = query.parsed("digest", Kind::MalformedParameter)?;
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
        "version": state.head.version,
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
            "supports": version::Supported::OURS,
        },
        "live_plan": state.live_plan().map(|plan| plan.id),
        "run_ms": state.run_ms(),
        "journal": state.head.journal,
        "state": (digest == Some(true)).then(|| digest_of(state)),
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

/// Equal on members that show the same index. The whole state is hashed, so only who asks pays.
fn digest_of(state: &State) -> serde_json::Value {
    json!({ "index": state.head.applied, "digest": image::digest(state).ok() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Finalize {
    /// Absent: the newest that any member supports.
    #[schema(value_type = Option<u32>)]
    version: Option<version::Cluster>,
}

/// Raises the cluster version for good: daemons that do not know it will not start any more.
pub async fn finalize(call: Call) -> Answer {
    call.query(&[])?;
    let Finalize { version: to } = call.body()?;
    // What every member supports only the leader knows, and it fills it in.
    let supported = std::collections::BTreeMap::new();
    let raise = Command::Finalize(Raise { to, supported });
    let reply = call.submit(raise).await?;
    let (reading, _) = call.read_back().await?;
    let body = json!({
        "success": true,
        "changed": reply != Reply::Unchanged,
        "version": reading.state.head.version,
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

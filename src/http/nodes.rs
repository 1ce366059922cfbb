//! Hosts: what the log knows of them, beside what the leader heard last; and the acts on one node.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::call::{Answer, Call, json};
use super::error::Problem;
use super::kind::Kind;
use super::steering::nothing;
use crate::control::service::HostView;
use crate::fleet::node::Node;
use crate::machine::command::Command;
use crate::machine::state::{Reply, State};

pub async fn list(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let reading = call.read(&query).await?;
    let hosts = call.hosts().await;
    let nodes: Vec<Value> = reading
        .state
        .nodes
        .values()
        .map(|node| view(node, hosts.get(&node.name), &reading.state))
        .collect();
    let body = json!({ "success": true, "nodes": nodes, "stale_ms": reading.stale_ms });
    Ok(json(StatusCode::OK, &body))
}

pub async fn show(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let name = call.node()?;
    let reading = call.read(&query).await?;
    let node = reading.state.node(&name)?;
    let hosts = call.hosts().await;
    let body = json!({
        "success": true,
        "node": view(node, hosts.get(&name), &reading.state),
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

/// Takes note that what somebody else did to this node is as it should be.
pub async fn clear(call: Call) -> Answer {
    nothing(&call)?;
    let node = call.node()?;
    let reply = call.submit(Command::ClearDrift { node }).await?;
    Ok(done(&reply))
}

#[cfg(feature = "next-version")]
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Annotate {
    note: String,
}

/// Of the next cluster version.
#[cfg(feature = "next-version")]
pub async fn annotate(call: Call) -> Answer {
    call.query(&[])?;
    let node = call.node()?;
    let Annotate { note } = call.body()?;
    let annotation = crate::machine::command::Annotation { node, note };
    let reply = call.submit(Command::Annotate(annotation)).await?;
    Ok(done(&reply))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseSlot {
    /// The operator's word that the host is switched off.
    #[serde(default)]
    host_is_off: bool,
}

pub async fn release_slot(call: Call) -> Answer {
    call.query(&[])?;
    let node = call.node()?;
    let ReleaseSlot { host_is_off } = call.body()?;
    if call.reason()?.is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Problem::new(
            Kind::ReasonRequired,
            "releasing a slot is an operator's word against a host's; it needs a reason",
            "send it in the header X-Reason, or with `--reason`",
        ));
    }
    // Whether the host was heard only the leader knows, and it fills it in.
    let heard = true;
    let command = Command::ReleaseSlot {
        node,
        host_is_off,
        heard,
    };
    let reply = call.submit(command).await?;
    Ok(done(&reply))
}

pub fn done(reply: &Reply) -> axum::http::Response<axum::body::Body> {
    let changed = !matches!(reply, Reply::Unchanged);
    json(
        StatusCode::OK,
        &json!({ "success": true, "changed": changed }),
    )
}

fn view(node: &Node, host: Option<&HostView>, state: &State) -> Value {
    let sample = host.and_then(|host| host.sample.as_ref());
    let membership = &state.head.membership;
    let intent = node.intent.as_ref();
    json!({
        "node": node.name,
        "member": node.member,
        "zone": node.zone,
        "address": node.address,
        "api": node.api,
        "leads": state.head.term.leader == Some(node.member),
        "voter": membership.voters.contains(&node.member),
        "reachable": host.is_some_and(|host| host.reachable),
        "age_ms": host.and_then(|host| host.age_ms),
        "healthy": sample.map(|sample| sample.healthy),
        "ready": sample.map(|sample| sample.ready),
        "drained": sample.map(|sample| sample.drained),
        "step": sample.and_then(|sample| sample.step),
        "disk_free_bytes": sample.map(|sample| sample.disk_free_bytes),
        "version": sample.map_or(&node.database.version, |sample| &sample.version),
        "digest": sample.map_or(node.database.digest, |sample| sample.digest),
        "installed": node.database.installed,
        "in_hand": node.slot.is_some(),
        "in_hand_of": node.slot.as_ref().map(|slot| slot.plan),
        "doing": intent.filter(|_| node.answered.is_none()).map(|intent| intent.goal.name()),
        "drifted": node.drifted,
    })
}

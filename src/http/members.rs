//! Members of the group: who they are, and the changes that only an administrator makes.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::call::{Answer, Call, json};
use super::nodes::done;
use super::steering::nothing;
use crate::control::service::MemberAct;

pub async fn list(call: Call) -> Answer {
    let query = call.query(&["consistency"])?;
    let reading = call.read(&query).await?;
    let state = &reading.state;
    let leader = call.api.core.consensus().leader;
    let hosts = call.hosts().await;
    let members: Vec<Value> = state
        .nodes
        .values()
        .map(|node| {
            let voter = state.head.membership.voters.contains(&node.member);
            json!({
                "node": node.name,
                "member": node.member,
                "peer": node.peer,
                "api": node.api,
                "zone": node.zone,
                "role": if voter { "voter" } else { "learner" },
                "leads": leader == Some(node.member),
                "supports": hosts.get(&node.name).and_then(|host| host.supports),
            })
        })
        .collect();
    let body = json!({
        "success": true,
        "members": members,
        "changing": state.head.membership.is_changing(),
        "version": state.head.version,
        "stale_ms": reading.stale_ms,
    });
    Ok(json(StatusCode::OK, &body))
}

pub async fn remove(call: Call) -> Answer {
    act(call, MemberAct::Remove).await
}

pub async fn promote(call: Call) -> Answer {
    act(call, MemberAct::Promote).await
}

pub async fn demote(call: Call) -> Answer {
    act(call, MemberAct::Demote).await
}

async fn act(call: Call, act: MemberAct) -> Answer {
    nothing(&call)?;
    let node = call.node()?;
    let (actor, reason) = (call.principal.clone(), call.reason()?);
    let reply = call
        .api
        .core
        .change_member(actor, reason, node, act)
        .await?;
    Ok(done(&reply))
}

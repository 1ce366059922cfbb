//! A plan as the API shows it: the first seed's fields, and beside them all that is known.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::when::rfc3339;
use crate::machine::handle::rollback;
use crate::machine::state::State;
use crate::plans::plan::{Direction, Plan, Status};
use crate::plans::progress::{self, Progress};

pub fn plan(plan: &Plan, state: &State) -> Value {
    let statuses: BTreeMap<_, _> = plan
        .nodes
        .iter()
        .map(|(name, node)| (name.to_string(), node.status.name()))
        .collect();
    let (paused_from, quorum_lost) = match &plan.status {
        Status::Paused { of, quorum_lost } => (Some(direction(*of)), *quorum_lost),
        _ => (None, false),
    };
    let release = plan.release.as_ref();
    json!({
        "id": plan.id,
        "version": release.map(|release| release.version.to_string()),
        "binary_url": release.map(|release| &release.url),
        "sha256": release.map(|release| release.sha256),
        "created_at": rfc3339(plan.created_wall_ms),
        "status": plan.status.name(),
        "node_statuses": statuses,
        "kind": plan.kind,
        "nodes": nodes(plan, state),
        "asked_nodes": plan.asked_nodes,
        "strategy": plan.strategy,
        "revision": plan.revision,
        "creator": plan.creator,
        "executed_at": plan.executed_wall_ms.and_then(rfc3339),
        "ended_at": plan.ended_wall_ms.and_then(rfc3339),
        "takes_back": plan.takes_back,
        "paused_from": paused_from,
        "quorum_lost": quorum_lost,
        "cancelling": plan.cancelling,
        "rollback_in_ms": plan.notice_until_run_ms.map(|until| until.saturating_sub(state.run_ms())),
        "turned_for": plan.turn.as_ref().map(|turn| turn.class),
        "detail": plan.detail,
        "versions": versions(plan, state),
        "mixed": plan.status.is_final() && versions(plan, state).len() > 1,
        "next": next(plan, state),
    })
}

pub fn nodes(plan: &Plan, state: &State) -> Vec<Value> {
    let view = |(name, progress): (_, &Progress)| {
        let node = state.nodes.get(name);
        let (class, detail) = match &progress.status {
            progress::Status::Failed { class, detail }
            | progress::Status::NeedsOperator { class, detail } => (Some(class), Some(detail)),
            progress::Status::Skipped { reason } => (None, Some(reason)),
            _ => (None, None),
        };
        let step = match &progress.status {
            progress::Status::Updating { step } | progress::Status::RollingBack { step } => *step,
            _ => None,
        };
        json!({
            "node": name,
            "status": progress.status.name(),
            "step": step,
            "for_ms": state.run_ms().saturating_sub(progress.since_run_ms),
            "class": class,
            "detail": detail,
            "in_hand": node.is_some_and(|node| node.slot.is_some()),
            "version": node.and_then(|node| node.database.version.as_ref()),
            "digest": node.and_then(|node| node.database.digest),
            "healthy": node.map(|node| node.database.healthy),
            "target": plan.target_of(name),
            "rollback_target": progress.rollback_target,
        })
    };
    plan.nodes.iter().map(view).collect()
}

/// The plan's nodes by the version their hosts last reported.
fn versions(plan: &Plan, state: &State) -> BTreeMap<String, Vec<String>> {
    let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for name in plan.nodes.keys() {
        let version = state
            .nodes
            .get(name)
            .and_then(|node| node.database.version.clone());
        let version = version.unwrap_or_else(|| "unknown".to_owned());
        versions.entry(version).or_default().push(name.to_string());
    }
    versions
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Back => "rollback",
    }
}

/// Commands that make sense now, as a person types them.
fn next(plan: &Plan, state: &State) -> Vec<String> {
    let id = plan.id;
    match &plan.status {
        Status::Pending => vec![format!("plan execute {id}"), format!("plan cancel {id}")],
        Status::InProgress | Status::RollingBack => {
            vec![
                format!("watch {id}"),
                format!("explain {id}"),
                format!("plan pause {id}"),
            ]
        }
        Status::Paused {
            of: Direction::Back,
            ..
        } => vec![format!("plan resume {id}")],
        Status::Paused {
            quorum_lost: true, ..
        } => vec![
            format!("plan resume {id} --forward"),
            format!("plan resume {id} --rollback"),
            format!("plan cancel {id}"),
        ],
        Status::Paused { .. } => vec![
            format!("plan resume {id}"),
            format!("rollback {id}"),
            format!("plan cancel {id}"),
        ],
        Status::Completed | Status::Failed | Status::Cancelled | Status::RolledBack => {
            let back = !rollback::targets(state, plan).is_empty();
            back.then(|| format!("rollback {id}")).into_iter().collect()
        }
    }
}

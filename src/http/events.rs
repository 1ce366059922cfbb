//! A plan's journal as server-sent events. An event's id is its place in the journal, the same on every
//! member, so a client that lost one member goes on at another with `Last-Event-ID`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::api::{Api, WATCHERS_MAX};
use super::auth;
use super::call::{Answer, Call};
use super::error::Problem;
use super::kind::Kind;
use super::when::rfc3339;
use crate::access::principal::Principal;
use crate::base::ids::PlanId;
use crate::control::service::{Consistency, Place};
use crate::journal::fact::Fact;
use crate::journal::record::Record;
use crate::plans::plan::Plan;

/// Records read at once.
const PAGE: usize = 256;
/// Proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Follower {
    api: Arc<Api>,
    principal: Principal,
    plan: PlanId,
    after: Option<Place>,
    applied: watch::Receiver<u64>,
    ready: VecDeque<Bytes>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

pub async fn follow(call: Call) -> Answer {
    call.query(&[])?;
    let plan = call.plan()?;
    let after = last_event(&call)?;
    let permit = Arc::clone(&call.api.watchers).try_acquire_owned();
    let permit = permit.map_err(|_| {
        Problem::new(
            Kind::TooManyWatchers,
            format!("{WATCHERS_MAX} clients follow already"),
            "follow at another member, or poll the plan",
        )
        .retry_after(5)
    })?;
    // A plan just made elsewhere may not have arrived here: the linearizable read waits for it.
    let (reading, _) = call.read_back().await?;
    reading.state.plan(plan)?;
    let follower = Follower {
        applied: call.api.core.applied(),
        api: call.api,
        principal: call.principal,
        plan,
        after,
        ready: VecDeque::new(),
        ended: false,
        _permit: permit,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Follower {
    /// `None` ends the stream: the plan is final and all of it was told, this member stops, or the token
    /// that opened it is good no more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            self.applied.borrow_and_update();
            // The plan is looked at first: a record of its end that is read afterwards is not missed.
            let reading = self.api.core.read(Consistency::Local).await.ok()?;
            auth::still_good(&self.principal, &reading.state, self.api.core.wall_ms())?;
            let plan = reading.state.plans.get(&self.plan)?;
            let records = self.api.core.journal(self.after, PAGE).await.ok()?;
            let caught_up = records.len() < PAGE;
            for record in &records {
                self.after = Some((record.index, record.ordinal));
                if concerns(record, plan) {
                    self.ready.push_back(event(record));
                }
            }
            if caught_up && plan.status.is_final() {
                self.ended = true;
                let status = plan.status.name();
                self.ready
                    .push_back(Bytes::from(format!("event: end\ndata: {status}\n\n")));
            } else if caught_up && self.ready.is_empty() {
                match timeout(KEEP_ALIVE, self.applied.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
                }
            }
        }
    }
}

fn event(record: &Record) -> Bytes {
    let data = json!({
        "index": record.index,
        "ordinal": record.ordinal,
        "at": rfc3339(record.wall_ms),
        "run_ms": record.run_ms,
        "actor": record.actor,
        "reason": record.reason,
        "fact": record.fact,
    });
    Bytes::from(format!(
        "id: {}.{}\ndata: {data}\n\n",
        record.index, record.ordinal
    ))
}

fn last_event(call: &Call) -> Result<Option<Place>, Problem> {
    let Some(given) = call.headers.get("last-event-id") else {
        return Ok(None);
    };
    let text = given.to_str().unwrap_or_default();
    super::journal::place(text).map(Some)
}

/// Facts of the plan, of its nodes while it is or was at work on them, and of who leads meanwhile.
fn concerns(record: &Record, plan: &Plan) -> bool {
    match &record.fact {
        Fact::PlanCreated { plan: id }
        | Fact::PlanStatus { plan: id, .. }
        | Fact::PlanCancelling { plan: id }
        | Fact::QuorumLost { plan: id, .. }
        | Fact::Preflight { plan: id, .. }
        | Fact::Taken { plan: id, .. }
        | Fact::StepEntered { plan: id, .. }
        | Fact::Answered { plan: id, .. }
        | Fact::NodeStatus { plan: id, .. } => *id == plan.id,
        Fact::StoodDown { node, .. }
        | Fact::Begun { node, .. }
        | Fact::SlotFreed { node, .. }
        | Fact::UnknownHands { node, .. }
        | Fact::ActedIsolated { node, .. } => plan.nodes.contains_key(node),
        Fact::TermOpened { .. } | Fact::HandoffFailed { .. } | Fact::Alarm { .. } => {
            let ended = plan.ended_wall_ms.unwrap_or(u64::MAX);
            (plan.created_wall_ms..=ended).contains(&record.wall_ms)
        }
        Fact::ClusterFormed { .. }
        | Fact::NodeJoined { .. }
        | Fact::NodeRemoved { .. }
        | Fact::MembershipOpened { .. }
        | Fact::MembershipClosed { .. }
        | Fact::MembershipChanged { .. }
        | Fact::DriftCleared { .. }
        | Fact::TokenCreated { .. }
        | Fact::TokenRevoked { .. }
        | Fact::VersionRaised { .. } => false,
        #[cfg(feature = "next-version")]
        Fact::Annotated { .. } | Fact::Beating { .. } => false,
    }
}

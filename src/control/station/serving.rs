//! The faces' calls, answered by this member or by the leader.

use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

use aegis_updates_raft::view::Role;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::Station;
use crate::access::principal::Principal;
use crate::agent::files::off_runtime;
use crate::base::ids::{MemberId, NodeName};
use crate::base::sabotage::Bug;
use crate::control::clock;
use crate::control::peers::wire::{
    self, Answer, ExplainAnswer, HostsAnswer, PreviewAsk, Steer, SteerAsk,
};
use crate::control::replica::millis;
use crate::control::service::{
    Call, Consensus, Consistency, Denied, HostView, Identity, MemberAct, Place, Preview, Readiness,
    Reading, Service, Unavailable,
};
use crate::decision;
use crate::decision::waiting::Wait;
use crate::journal::record::Record;
use crate::machine::state::Reply;
use crate::plans::spec::Spec;

/// A preview waits for every host's look at the artifact.
const PREVIEW_TIMEOUT: Duration = Duration::from_secs(6);

impl Station {
    /// What the live plan waits for, if this member leads.
    pub fn explained(&self) -> ExplainAnswer {
        if !self.leads() {
            return Answer::NotLeader;
        }
        let state = self.replica.state();
        let consensus = self.replica.consensus();
        let view = self.replica.evidence().view(&state, &consensus);
        Answer::Known(decision::decide::decide(&state, &view).waits)
    }

    /// What this leader heard of every host.
    pub fn heard_hosts(&self) -> HostsAnswer {
        if !self.leads() {
            return Answer::NotLeader;
        }
        let consensus = self.replica.consensus();
        let state = self.replica.state();
        Answer::Known(self.replica.evidence().hosts(&state, &consensus))
    }

    async fn read_at(&self, consistency: Consistency) -> Result<Reading, Unavailable> {
        match consistency {
            Consistency::Linearizable if Bug::StaleReads.is_planted() => Ok(Reading {
                state: self.replica.state(),
                stale_ms: None,
            }),
            Consistency::Linearizable => Ok(Reading {
                state: self.replica.read().await?,
                stale_ms: None,
            }),
            Consistency::Local => Ok(Reading {
                state: self.replica.state(),
                stale_ms: Some(millis(self.replica.commit_age())),
            }),
        }
    }

    async fn hosts_anywhere(&self) -> BTreeMap<NodeName, HostView> {
        let within = self.replica.timeouts().read;
        let heard = self
            .ask_leader(
                wire::HOSTS,
                &(),
                || Box::pin(ready(self.heard_hosts())),
                within,
            )
            .await;
        heard.unwrap_or_else(|_| {
            let state = self.replica.state();
            let unknown = |name: &NodeName| (name.clone(), HostView::default());
            state.nodes.keys().map(unknown).collect()
        })
    }
}

impl Service for Station {
    fn submit(&self, call: Call) -> BoxFuture<'_, Result<Reply, Denied>> {
        Box::pin(async move {
            let written = self.replica.submit(call).await?;
            written.result.map_err(Denied::Refused)
        })
    }

    fn read(&self, consistency: Consistency) -> BoxFuture<'_, Result<Reading, Unavailable>> {
        Box::pin(self.read_at(consistency))
    }

    fn explain(&self) -> BoxFuture<'_, Result<Vec<Wait>, Unavailable>> {
        let within = self.replica.timeouts().read;
        Box::pin(async move {
            let here = || -> BoxFuture<'_, _> { Box::pin(ready(self.explained())) };
            let asked = self.ask_leader(wire::EXPLAIN, &(), here, within).await;
            asked.map_err(nothing_written)
        })
    }

    fn preview(&self, spec: Spec) -> BoxFuture<'_, Result<Preview, Denied>> {
        Box::pin(async move {
            let ask = PreviewAsk { spec };
            let here = || -> BoxFuture<'_, _> { Box::pin(self.previewed(&ask)) };
            let asked = self.ask_leader(wire::PREVIEW, &ask, here, PREVIEW_TIMEOUT);
            asked.await.map_err(nothing_written)?
        })
    }

    fn hosts(&self) -> BoxFuture<'_, BTreeMap<NodeName, HostView>> {
        Box::pin(self.hosts_anywhere())
    }

    fn answer_within(&self) -> Duration {
        self.replica.timeouts().write
    }

    fn consensus(&self) -> Consensus {
        let view = self.replica.consensus();
        let ids = |ids: std::collections::BTreeSet<u64>| ids.into_iter().map(MemberId).collect();
        Consensus {
            leader: view.leader.map(MemberId),
            term: view.term,
            role: role_name(view.role).to_owned(),
            voters: ids(view.voters),
            learners: ids(view.learners),
            quorum_ack_age_ms: view.quorum_ack_age.map(millis),
            applied: view.last_applied.unwrap_or(0),
            changing: view.membership_changing,
        }
    }

    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn journal(
        &self,
        after: Option<Place>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>, Unavailable>> {
        let replica = self.replica.clone();
        Box::pin(async move {
            let read = off_runtime(move || replica.journal(after, limit)).await;
            read.map_err(|error| {
                tracing::error!(%error, "the journal cannot be read");
                Unavailable::ShuttingDown
            })
        })
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.replica.published().watch_index()
    }

    fn transfer_leader(
        &self,
        actor: Principal,
        reason: Option<String>,
        to: NodeName,
    ) -> BoxFuture<'_, Result<Reply, Denied>> {
        let act = Steer::Transfer { to };
        Box::pin(self.steer_anywhere(SteerAsk { actor, reason, act }))
    }

    fn change_member(
        &self,
        actor: Principal,
        reason: Option<String>,
        node: NodeName,
        act: MemberAct,
    ) -> BoxFuture<'_, Result<Reply, Denied>> {
        let act = Steer::Change { node, act };
        Box::pin(self.steer_anywhere(SteerAsk { actor, reason, act }))
    }

    fn readiness(&self) -> Readiness {
        let view = self.replica.consensus();
        Readiness {
            database_ready: self.beside.database_ready(),
            alive: view.running,
            member_ready: view.running && view.leader.is_some(),
        }
    }

    fn wall_ms(&self) -> u64 {
        clock::wall_ms(&self.replica.clock().now())
    }
}

/// A question changes nothing, so that its answer was lost leaves no outcome open.
const fn nothing_written(lost: Unavailable) -> Unavailable {
    match lost {
        Unavailable::OutcomeUnknown => Unavailable::QuorumLost,
        Unavailable::QuorumLost | Unavailable::NoLeader | Unavailable::ShuttingDown => lost,
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Stopped => "stopped",
    }
}

//! What executing a specification would meet now: it is created and executed on a copy of the state, and
//! the leader's own gates are asked. Changes nothing.

use crate::access::principal::Principal;
use crate::base::ids::{NodeName, PlanId};
use crate::control::peers::wire::{Answer, PreviewAnswer, PreviewAsk};
use crate::control::service::{Preview, PreviewNode};
use crate::decision::{gates, handoff, order};
use crate::fleet::node::Node;
use crate::fleet::view::ClusterView;
use crate::machine::apply::apply;
use crate::machine::command::Command;
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::machine::submission::{Position, Submission};
use crate::plans::spec::Spec;
use crate::plans::strategy::Order;

use super::Station;

impl Station {
    /// The preview, if this member leads.
    pub async fn previewed(&self, ask: &PreviewAsk) -> PreviewAnswer {
        if !self.leads() {
            return Answer::NotLeader;
        }
        let spec = &ask.spec;
        let state = self.replica.state();
        let view = self
            .replica
            .evidence()
            .view(&state, &self.replica.consensus());
        let mut copy = (*state).clone();
        let tried = self.try_on(&mut copy, spec);
        let names: Vec<&NodeName> = match &spec.nodes {
            Some(names) => names.iter().collect(),
            None => state.nodes.keys().collect(),
        };
        let strategy = &spec.strategy;
        let nodes = order::forward(&state, &view, strategy.order, &names);
        let leaders = nodes
            .iter()
            .any(|node| handoff::is_due(&state, &view, node));
        let plan = tried.plan.and_then(|id| copy.plans.get(&id));
        let red = match (plan, nodes.first()) {
            (Some(plan), Some(first)) => gates::for_update(&state, &view, plan, first),
            _ => Vec::new(),
        };
        let target = plan
            .filter(|_| leaders)
            .and_then(|plan| handoff::target(&state, &view, plan));
        let mut waves = waves(spec, &view, &nodes);
        let mut looks = self.look_everywhere(&state, &spec.release.url).await;
        for node in waves.iter_mut().flatten() {
            if let Some(look) = looks.remove(&node.node) {
                look.put_into(node);
            }
        }
        Answer::Known(Ok(Preview {
            waves,
            handoff_to: target
                .and_then(|member| state.node_of_member(member))
                .map(|node| node.name.clone()),
            min_available: strategy.min_available_of(state.nodes.len()),
            red,
            refused: tried.refused,
        }))
    }

    /// Creates and executes it on a state that nobody keeps.
    fn try_on(&self, state: &mut State, spec: &Spec) -> Tried {
        let mut tried = Tried::default();
        match self.apply_to(state, Command::CreatePlan(spec.clone())) {
            Ok(Reply::Plan { id, .. }) => tried.plan = Some(id),
            Ok(_) => {}
            Err(refusal) => tried.refused = Some(refusal),
        }
        if let Some(plan) = tried.plan {
            let execute = Command::Execute {
                plan,
                revision: None,
            };
            tried.refused = self.apply_to(state, execute).err();
        }
        tried
    }

    fn apply_to(&self, state: &mut State, command: Command) -> Result<Reply, Refusal> {
        let position = Position {
            index: state.head.applied + 1,
            term: state.head.term.number,
            leader: self.replica.me(),
        };
        let submission = Submission {
            elapsed_ms: 0,
            run_ms: None,
            wall_ms: self.replica.wall_ms(),
            actor: Principal::Member {
                member: self.replica.me(),
            },
            reason: None,
            request: None,
            command,
        };
        apply(state, position, &submission).result
    }
}

#[derive(Default)]
struct Tried {
    plan: Option<PlanId>,
    refused: Option<Refusal>,
}

/// Zone by zone, or as many at once as may be down.
fn waves(spec: &Spec, view: &ClusterView, nodes: &[&Node]) -> Vec<Vec<PreviewNode>> {
    let at_once = usize::try_from(spec.strategy.max_unavailable).unwrap_or(usize::MAX);
    let shown = |node: &&Node| PreviewNode {
        node: node.name.clone(),
        leads: order::leads(view, node),
        running: node.database.version.clone(),
        already_there: node.database.digest == Some(spec.release.sha256),
        disk_free_bytes: None,
        artifact: None,
    };
    let waves: Vec<&[&Node]> = match spec.strategy.order {
        Order::Name => nodes.chunks(at_once.max(1)).collect(),
        Order::Zone => nodes.chunk_by(|a, b| a.zone == b.zone).collect(),
    };
    waves
        .into_iter()
        .map(|wave| wave.iter().map(shown).collect())
        .collect()
}

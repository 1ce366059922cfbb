//! Whether the leader appends a host's begin: its gates must hold at this moment, not when it was taken.

use crate::base::ids::NodeName;
use crate::base::sabotage::Bug;
use crate::decision::{gates, order};
use crate::fleet::intent::{Begin, Goal};
use crate::fleet::view::ClusterView;
use crate::machine::handle::begin::may_begin;
use crate::machine::refusal::Refusal;
use crate::machine::state::State;

pub fn may(
    state: &State,
    view: &ClusterView,
    name: &NodeName,
    begin: &Begin,
) -> Result<(), Refusal> {
    if !view.leads || state.head.term.number != view.term || !state.head.term.opened {
        return Err(Refusal::NotTheLeader);
    }
    let node = state.node(name)?;
    may_begin(state, node, begin)?;
    if Bug::BeginGatesUnchecked.is_planted() {
        return Ok(());
    }
    let Some(intent) = &node.intent else {
        return Err(Refusal::StaleGeneration {
            node: name.clone(),
            newest: node.generation.to_string(),
        });
    };
    let plan = state.plan(intent.plan)?;
    let shut = |red| Refusal::GateShut { red };
    gates::quorum_acknowledged(view).map_err(shut)?;
    match intent.goal {
        Goal::Update { .. } => {
            gates::members(state, view, node).map_err(shut)?;
            gates::databases(state, view, plan, node).map_err(shut)
        }
        _ if order::is_sick(view, node) => Ok(()),
        _ => gates::databases(state, view, plan, node).map_err(shut),
    }
}

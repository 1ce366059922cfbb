//! What must always hold of the state alone. Run after every apply in tests, and when an image is loaded.

use std::fmt;

use super::state::State;
use crate::base::ids::{NodeName, PlanId};
use crate::plans::plan::{Direction, Status};
use crate::plans::progress;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    TwoLivePlans {
        first: PlanId,
        second: PlanId,
    },
    /// More nodes that served when taken hold slots than the live plan allows.
    OverBudget {
        held: usize,
        allowed: usize,
    },
    /// An unanswered take without a slot.
    TakeWithoutSlot {
        node: NodeName,
    },
    /// The intent's generation is not the node's.
    GenerationApart {
        node: NodeName,
    },
    /// A begin of a generation that was never given.
    BeginFromNowhere {
        node: NodeName,
    },
    CompletedMixed {
        plan: PlanId,
        node: NodeName,
    },
    PausedBackWithoutTurn {
        plan: PlanId,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

pub fn check(state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    live(state, &mut found);
    for node in state.nodes.values() {
        let name = || node.name.clone();
        if let Some(intent) = &node.intent {
            if intent.generation != node.generation {
                found.push(Violation::GenerationApart { node: name() });
            }
            if intent.goal.disrupts() && node.answered.is_none() && node.slot.is_none() {
                found.push(Violation::TakeWithoutSlot { node: name() });
            }
        }
        if node
            .open
            .iter()
            .any(|begin| begin.generation > node.generation)
        {
            found.push(Violation::BeginFromNowhere { node: name() });
        }
    }
    for plan in state.plans.values() {
        let completed = plan.status == Status::Completed;
        for (node, progress) in &plan.nodes {
            let (plan, node) = (plan.id, node.clone());
            if completed && progress.status != progress::Status::Updated {
                found.push(Violation::CompletedMixed { plan, node });
            }
        }
    }
    found
}

fn live(state: &State, found: &mut Vec<Violation>) {
    let mut live = state.plans.values().filter(|plan| plan.status.is_live());
    let Some(plan) = live.next() else { return };
    if let Some(second) = live.next() {
        found.push(Violation::TwoLivePlans {
            first: plan.id,
            second: second.id,
        });
    }
    let served =
        |node: &&crate::fleet::node::Node| node.slot.as_ref().is_some_and(|slot| slot.was_healthy);
    let (held, allowed) = (
        state.nodes.values().filter(served).count(),
        plan.strategy.max_unavailable as usize,
    );
    if held > allowed {
        found.push(Violation::OverBudget { held, allowed });
    }
    let back = matches!(
        plan.status,
        Status::RollingBack
            | Status::Paused {
                of: Direction::Back,
                ..
            }
    );
    if back && plan.turn.is_none() {
        found.push(Violation::PausedBackWithoutTurn { plan: plan.id });
    }
}

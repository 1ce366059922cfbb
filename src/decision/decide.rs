//! One look at state and view: at most one proposal, perhaps a handoff, and every reason to wait.

use crate::base::ids::MemberId;
use crate::decision::waiting::Wait;
use crate::decision::{housekeeping, rollback, rollout};
use crate::fleet::view::ClusterView;
use crate::machine::command::Command;
use crate::machine::state::State;
use crate::plans::plan::{Direction, Plan, Status};

/// What the leader does now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// One proposal per plan in flight: the next is decided on state that includes this one.
    pub proposal: Option<Command>,
    /// Leadership goes to this member; whoever leads then decides anew.
    pub handoff: Option<MemberId>,
    pub waits: Vec<Wait>,
}

impl Decision {
    pub fn propose(command: Command) -> Self {
        Self {
            proposal: Some(command),
            ..Self::default()
        }
    }

    pub fn wait(waits: Vec<Wait>) -> Self {
        Self {
            waits,
            ..Self::default()
        }
    }
}

/// Decides only on state that includes the first entry of its own term.
pub fn decide(state: &State, view: &ClusterView) -> Decision {
    if !view.leads || !state.head.term.opened || state.head.term.number != view.term {
        return Decision::wait(vec![Wait::new(
            "not_leading",
            None,
            "this member does not lead, or has not opened its term",
            "the leader decides",
        )]);
    }
    if let Some(command) = housekeeping::stand_down(state) {
        return Decision::propose(command);
    }
    let Some(plan) = state.live_plan() else {
        return Decision::default();
    };
    if let Some(command) = housekeeping::due(state, view, plan) {
        return Decision::propose(command);
    }
    match plan.status {
        Status::InProgress if plan.goes_forward() => rollout::next(state, view, plan),
        Status::InProgress => Decision::wait(vec![stopping(plan)]),
        Status::RollingBack => rollback::next(state, view, plan),
        _ => Decision::wait(vec![paused(plan)]),
    }
}

fn stopping(plan: &Plan) -> Wait {
    let id = plan.id;
    match plan.notice_until_run_ms {
        Some(until) => Wait::new(
            "rollback_notice",
            Some(id.to_string()),
            plan.detail
                .clone()
                .unwrap_or_else(|| "quorum was lost".to_owned()),
            "every updated node is taken back",
        )
        .until(until)
        .helped_by([format!("aegis-updates plan pause {id}")]),
        None => Wait::new(
            "cancelling",
            Some(id.to_string()),
            "nodes in hand are put back or finished",
            "the plan ends as Cancelled",
        ),
    }
}

fn paused(plan: &Plan) -> Wait {
    let id = plan.id;
    let detail = plan.detail.clone().unwrap_or_else(|| "paused".to_owned());
    let wait = Wait::new(
        "paused",
        Some(id.to_string()),
        detail,
        "nothing, until somebody resumes it",
    );
    let wait = wait.since(plan.progressed_run_ms);
    match plan.status {
        Status::Paused {
            quorum_lost: true, ..
        } => wait.helped_by([
            format!("aegis-updates plan resume {id} --forward"),
            format!("aegis-updates plan resume {id} --rollback"),
        ]),
        Status::Paused {
            of: Direction::Back,
            ..
        } => wait.helped_by([format!("aegis-updates plan resume {id}")]),
        _ => wait.helped_by([
            format!("aegis-updates plan resume {id}"),
            format!("aegis-updates rollback {id}"),
            format!("aegis-updates plan cancel {id}"),
        ]),
    }
}

//! What is due whatever the plan does next: stand-downs, nodes that fell ill, hosts that are late or gone.

use crate::base::duration::Millis;
use crate::base::failure::Class;
use crate::base::limits::{BEGIN_WAIT, RECONNECT_GRACE};
use crate::base::sabotage::Bug;
use crate::decision::quorum;
use crate::fleet::intent::Goal;
use crate::fleet::node::Node;
use crate::fleet::view::{ClusterView, Host};
use crate::machine::command::{Command, NodeFailure};
use crate::machine::state::State;
use crate::plans::plan::{Plan, Status};
use crate::plans::progress::{self, Progress, Step};
use crate::plans::strategy::Strategy;

/// A node before its boundary whose plan does not want it taken any more is put back.
pub fn stand_down(state: &State) -> Option<Command> {
    let unwanted = |node: &&Node| {
        let Some(intent) = &node.intent else {
            return false;
        };
        let plan = state.plans.get(&intent.plan);
        let wanted = match intent.goal {
            Goal::Update { .. } => {
                plan.is_some_and(|plan| plan.goes_forward() && in_motion(plan, node, &intent.goal))
            }
            Goal::Rollback { .. } => plan
                .is_some_and(|plan| plan.status.is_live() && in_motion(plan, node, &intent.goal)),
            Goal::Stage { .. } | Goal::StandDown => true,
        };
        let bound = node.past_boundary() && !Bug::StandDownPastBoundary.is_planted();
        !wanted && node.answered.is_none() && !bound
    };
    let node = state.nodes.values().find(unwanted)?;
    Some(Command::StandDown {
        node: node.name.clone(),
        after: node.generation,
    })
}

/// A skipped or failed node is no longer wanted by its plan, though the plan goes on.
fn in_motion(plan: &Plan, node: &Node, goal: &Goal) -> bool {
    let fits = |status: &progress::Status| match goal {
        Goal::Rollback { .. } if !plan.is_way_back() => {
            matches!(status, progress::Status::RollingBack { .. })
        }
        _ => matches!(status, progress::Status::Updating { .. }),
    };
    plan.nodes
        .get(&node.name)
        .is_some_and(|progress| fits(&progress.status))
}

pub fn due(state: &State, view: &ClusterView, plan: &Plan) -> Option<Command> {
    if plan.notice_until_run_ms.is_none()
        && let Some(lost) = quorum::lost_for_good(state, view, plan)
        && matches!(
            plan.status,
            Status::InProgress
                | Status::Paused {
                    quorum_lost: false,
                    ..
                }
        )
    {
        return Some(lost);
    }
    plan.nodes.iter().find_map(|(name, progress)| {
        let node = state.nodes.get(name)?;
        let host = view.hosts.get(name)?;
        fell_ill(state, view, plan, node, host, progress)
            .or_else(|| is_late(state, plan, node, host, progress))
            .or_else(|| is_gone(plan, node, host, progress))
    })
}

/// Updated, and unhealthy for longer than the grace while the plan is live.
fn fell_ill(
    state: &State,
    view: &ClusterView,
    plan: &Plan,
    node: &Node,
    host: &Host,
    progress: &Progress,
) -> Option<Command> {
    let grace = plan.strategy.deadlines.health_grace;
    let ill = match host.fresh() {
        None if Bug::SilenceIsSickness.is_planted() => Some(host.silent_for),
        None => None,
        Some(_) => host.unhealthy_for,
    };
    let ill = ill.filter(|since| *since > grace)?;
    let counts = progress.status == progress::Status::Updated && !plan.takes_back(&node.name);
    // Too few databases is a loss of quorum, which has its own answer.
    if !counts || quorum::is_being_lost(state, view, plan).is_err() {
        return None;
    }
    let detail = format!("unhealthy for {ill} after it was updated");
    Some(fail(plan, node, Class::HealthGateFailed, detail))
}

/// The host answers the leader but not this generation, long after its own deadline.
fn is_late(
    state: &State,
    plan: &Plan,
    node: &Node,
    host: &Host,
    progress: &Progress,
) -> Option<Command> {
    host.fresh()?;
    if !node.is_unanswered() || matches!(plan.status, Status::Paused { .. }) {
        return None;
    }
    let (step, deadline, class) = match &progress.status {
        progress::Status::Pending => (
            "Staging",
            plan.strategy.deadlines.staging,
            Class::StagingFailed,
        ),
        progress::Status::Staging => (
            "Staging",
            plan.strategy.deadlines.staging,
            Class::StagingFailed,
        ),
        progress::Status::Updating { step } | progress::Status::RollingBack { step } => {
            let (name, deadline, class) = of_step(&plan.strategy, *step);
            (name, deadline, class)
        }
        _ => return None,
    };
    let spent = state.run_ms().saturating_sub(progress.since_run_ms);
    let allowed = deadline.0 + RECONNECT_GRACE.0;
    (spent > allowed).then(|| {
        fail(
            plan,
            node,
            class,
            format!("no answer from {step} within {} ms", allowed),
        )
    })
}

/// The host is silent for longer than a reboot takes, and the plan has work for it.
fn is_gone(plan: &Plan, node: &Node, host: &Host, progress: &Progress) -> Option<Command> {
    let silent = host.fresh().is_none() && host.silent_for > plan.strategy.unreachable_after;
    let waited_for = matches!(
        progress.status,
        progress::Status::Pending
            | progress::Status::Staging
            | progress::Status::Staged
            | progress::Status::Updating { .. }
    );
    let blocks = waited_for
        || (node.slot.is_some() && matches!(progress.status, progress::Status::Failed { .. }));
    let due = silent && blocks && plan.status == Status::InProgress;
    due.then(|| Command::GiveUpNode {
        plan: plan.id,
        node: node.name.clone(),
        after: node.generation,
    })
}

fn fail(plan: &Plan, node: &Node, class: Class, detail: String) -> Command {
    Command::FailNode(NodeFailure {
        plan: plan.id,
        node: node.name.clone(),
        after: node.generation,
        class,
        detail,
        seen_run_ms: plan.nodes.get(&node.name).map(|node| node.since_run_ms),
    })
}

/// A step's name, the most time its host may need for it, and the class of its failure.
fn of_step(strategy: &Strategy, step: Option<Step>) -> (&'static str, Millis, Class) {
    let deadlines = &strategy.deadlines;
    let Some(step) = step else {
        return ("Taken", Millis(2 * BEGIN_WAIT.0), Class::DrainFailed);
    };
    let (ms, class) = match step {
        Step::Staging => (deadlines.staging.0, Class::StagingFailed),
        Step::Draining => (
            deadlines.drain_grace.0 + deadlines.drain.0,
            Class::DrainFailed,
        ),
        Step::Flushing => (deadlines.flush.0, Class::FlushFailed),
        // What is kept and what is laid beside it have that time each.
        Step::BackingUp => (2 * deadlines.backup.0, Class::ApplyFailed),
        // The wait for the second begin falls into this step.
        Step::Swapping => (deadlines.backup.0 + BEGIN_WAIT.0, Class::ApplyFailed),
        Step::Restarting => {
            let starts = 1 + u64::from(deadlines.restart_retries);
            (
                deadlines.stop.0 + starts * deadlines.start.0,
                Class::LauncherActivationFailed,
            )
        }
        Step::Verifying => (deadlines.verify.0, Class::HealthGateFailed),
        Step::Rejoining => (
            deadlines.rejoin.0 + deadlines.ready_settle.0,
            Class::RejoinFailed,
        ),
        Step::Soaking => (
            10 * (deadlines.soak.0 + deadlines.health_grace.0),
            Class::HealthGateFailed,
        ),
    };
    (step.name(), Millis(ms), class)
}

//! Rollback by an operator: a live plan turns; a final one gets a plan of kind rollback of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::failure::Class;
use crate::base::ids::{NodeName, PlanId};
use crate::machine::apply::Context;
use crate::machine::handle::edges::move_plan;
use crate::machine::handle::plans::{add, check_budget, no_live_plan, ready_to_start, start};
use crate::machine::handle::steering::{operator_changed, wrong};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::plan::{Direction, Plan, Scope, Status, Turn};
use crate::plans::progress::{self, Progress};
use crate::plans::spec::{Binary, Kind};
use crate::plans::strategy::{OnQuorumLoss, Strategy};

pub fn rollback(
    state: &mut State,
    context: &mut Context<'_>,
    id: PlanId,
    only: Option<&BTreeSet<NodeName>>,
) -> Result<Reply, Refusal> {
    let plan = state.plan(id)?.clone();
    check_named(&plan, only)?;
    let all = matches!(
        &plan.turn,
        Some(Turn {
            scope: Scope::All,
            ..
        })
    );
    match plan.status {
        Status::Pending => Err(wrong(id, &plan.status, "be taken back")),
        Status::RollingBack if all => Ok(Reply::Unchanged),
        Status::Paused {
            of: Direction::Back,
            ..
        } if all => Err(wrong(id, &plan.status, "be taken back; resume it")),
        Status::InProgress | Status::Paused { .. } | Status::RollingBack
            if plan.kind == Kind::Update =>
        {
            let turn = Turn {
                scope: Scope::All,
                class: Class::ManualRollbackRequested,
                since_run_ms: state.run_ms(),
            };
            move_plan(state, context, id, |plan| plan.turn(turn))?;
            operator_changed(state, id)
        }
        Status::InProgress | Status::Paused { .. } | Status::RollingBack => Err(wrong(
            id,
            &plan.status,
            "be taken back: it is a rollback; cancel it",
        )),
        Status::Completed | Status::Failed | Status::RolledBack | Status::Cancelled => {
            take_back(state, context, &plan, only)
        }
    }
}

/// A plan that is live turns as a whole.
fn check_named(plan: &Plan, only: Option<&BTreeSet<NodeName>>) -> Result<(), Refusal> {
    let Some(only) = only else {
        return Ok(());
    };
    if only.is_empty() {
        return Err(Refusal::EmptyNodes);
    }
    if let Some(node) = only.iter().find(|name| !plan.nodes.contains_key(name)) {
        return Err(Refusal::NotInPlan {
            plan: plan.id,
            node: node.clone(),
        });
    }
    match plan.status.is_final() {
        true => Ok(()),
        false => Err(wrong(plan.id, &plan.status, "be taken back in part")),
    }
}

/// Creates and starts the plan that takes a final one back.
fn take_back(
    state: &mut State,
    context: &mut Context<'_>,
    old: &Plan,
    only: Option<&BTreeSet<NodeName>>,
) -> Result<Reply, Refusal> {
    no_live_plan(state)?;
    let mut targets = targets(state, old);
    targets.retain(|name, _| only.is_none_or(|only| only.contains(name)));
    if targets.is_empty() {
        return Err(Refusal::NothingToRollBack { plan: old.id });
    }
    let strategy = Strategy {
        deadlines: old.strategy.deadlines.for_rollback(),
        on_quorum_loss: OnQuorumLoss::Pause,
        allow_downgrade: true,
        ..old.strategy.clone()
    };
    check_budget(state, &strategy)?;
    ready_to_start(state)?;
    let names: BTreeSet<NodeName> = targets.keys().cloned().collect();
    let id = add(
        state,
        context,
        Kind::Rollback,
        None,
        Some(names.clone()),
        strategy,
    );
    let run_ms = state.run_ms();
    let plan = state.plan_mut(id)?;
    plan.takes_back = Some(old.id);
    for (name, target) in targets {
        plan.nodes.insert(
            name,
            Progress {
                target: Some(target),
                ..Progress::new(run_ms)
            },
        );
    }
    start(state, context, id, &names)?;
    Ok(Reply::Plan { id, revision: 1 })
}

/// The nodes that are on what the old plan put there, with where each goes back to. What counts is what runs; with
/// nothing running, what would be started; and where neither is known, what the plan says.
pub fn targets(state: &State, old: &Plan) -> BTreeMap<NodeName, Binary> {
    let goes_back = |(name, progress): (&NodeName, &Progress)| {
        let node = state.nodes.get(name)?;
        let target = progress.rollback_target.clone()?;
        let put_there = old.target_of(name)?;
        let is_on_it = match node.database.digest.or(node.database.installed) {
            Some(digest) => digest == put_there.digest,
            None => progress.status == progress::Status::Updated,
        };
        (is_on_it && target.digest != put_there.digest).then(|| (name.clone(), target))
    };
    old.nodes.iter().filter_map(goes_back).collect()
}

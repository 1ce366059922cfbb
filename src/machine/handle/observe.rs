//! A host's report. Its answer to the newest generation is the only thing that frees a slot.

use crate::base::failure::Class;
use crate::base::ids::{NodeName, PlanId};
use crate::base::sabotage::Bug;
use crate::fleet::node::{Answered, Node};
use crate::fleet::observation::{Answer, Database, Notice, Observation, Report};
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::handle::begin::speaks_for;
use crate::machine::handle::edges::{move_node, move_plan, progress};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::plans::progress::{Status, Step};
use crate::plans::spec::{Binary, Kind};

pub fn observe(
    state: &mut State,
    context: &mut Context<'_>,
    seen: &Observation,
) -> Result<Reply, Refusal> {
    let node = state.node(&seen.node)?;
    speaks_for(context, node)?;
    if seen.sequence <= node.sequence {
        return Err(Refusal::StaleReport {
            node: seen.node.clone(),
        });
    }
    let notice = matches!(seen.report, Report::Noticed(_));
    if seen.generation > node.generation
        || (seen.generation < node.generation && !notice && !Bug::OldGenerationAnswers.is_planted())
    {
        return Err(Refusal::StaleGeneration {
            node: seen.node.clone(),
            newest: node.generation.to_string(),
        });
    }
    let plan = node.intent.as_ref().map(|intent| intent.plan);
    let open = node.answered.is_none();
    let node = state.node_mut(&seen.node)?;
    node.sequence = seen.sequence;
    node.database = seen.database.clone();
    match (&seen.report, plan) {
        (Report::Preflight { rollback_target }, Some(plan)) => {
            let known = state.plan_mut(plan)?.nodes.get_mut(&seen.node);
            if let Some(progress) = known.filter(|_| open) {
                let (node, running) = (seen.node.clone(), seen.database.clone());
                context.facts.push(Fact::Preflight {
                    plan,
                    node,
                    running,
                    rollback_target: progress.goes_back_to(rollback_target).clone(),
                });
            }
        }
        (Report::Entered(step), Some(plan)) if open => entered(state, context, seen, plan, *step)?,
        (Report::Answered { answer, acted }, Some(plan)) => {
            if open {
                answered(
                    state,
                    context,
                    seen,
                    plan,
                    &Answered {
                        answer: answer.clone(),
                        acted: *acted,
                    },
                )?;
            }
            free_slot(state, context, &seen.node, *acted)?;
        }
        (Report::Noticed(notice), _) => noticed(state, context, &seen.node, notice)?,
        _ => {}
    }
    Ok(Reply::Done)
}

fn entered(
    state: &mut State,
    context: &mut Context<'_>,
    seen: &Observation,
    plan: PlanId,
    step: Step,
) -> Result<(), Refusal> {
    let (node, generation) = (seen.node.clone(), seen.generation);
    // A step of another goal moves nothing; that the host took it is recorded all the same.
    let fits = progress(state, plan, &node).is_ok_and(|node| node.status.enter(step).is_ok());
    if fits && in_motion(state, plan, &node) {
        move_node(state, context, plan, &node, |status| status.enter(step))?;
    }
    context.facts.push(Fact::StepEntered {
        plan,
        node,
        generation,
        step,
    });
    Ok(())
}

/// False for a node that the plan has given up on (failed by the leader, skipped): its host still reports.
fn in_motion(state: &State, plan: PlanId, node: &NodeName) -> bool {
    let live = state
        .plans
        .get(&plan)
        .is_some_and(|plan| plan.status.is_live());
    let moves = |status: &Status| {
        matches!(
            status,
            Status::Pending
                | Status::Staging
                | Status::Updating { .. }
                | Status::RollingBack { .. }
        )
    };
    live && progress(state, plan, node).is_ok_and(|progress| moves(&progress.status))
}

fn answered(
    state: &mut State,
    context: &mut Context<'_>,
    seen: &Observation,
    plan: PlanId,
    answered: &Answered,
) -> Result<(), Refusal> {
    let name = &seen.node;
    let node = state.node_mut(name)?;
    node.answered = Some(answered.clone());
    node.open.clear();
    let detail = match &answered.answer {
        Answer::Failed {
            step,
            class,
            detail,
        } => Some(format!("{class} in {step}: {detail}")),
        Answer::GivenBack { reason } => Some(reason.clone()),
        _ => None,
    };
    context.facts.push(Fact::Answered {
        plan,
        node: name.clone(),
        generation: seen.generation,
        answer: answered.answer.name().to_owned(),
        detail,
        database: seen.database.clone(),
    });
    if !in_motion(state, plan, name) {
        return Ok(());
    }
    let status = &progress(state, plan, name)?.status;
    let rolling_back = matches!(status, Status::RollingBack { .. });
    let kind = state.plan(plan)?.kind;
    let (stages, is_in_hand) = (status.staged().is_ok(), status.give_back().is_ok());
    match &answered.answer {
        Answer::Staged if stages => move_node(state, context, plan, name, |status| status.staged()),
        Answer::AlreadyThere | Answer::Updated { .. } if !rolling_back => {
            arrived(state, context, seen, plan)
        }
        Answer::RolledBack { .. } if is_in_hand && kind == Kind::Rollback => {
            arrived(state, context, seen, plan)
        }
        Answer::RolledBack { .. } if rolling_back => went_back(state, context, seen, plan),
        // It healed, and is taken as a healthy node when its turn comes.
        Answer::GivenBack { .. } | Answer::StoodDown | Answer::Recovered if is_in_hand => {
            move_node(state, context, plan, name, |status| status.give_back())
        }
        // A rollback that was given back, stood down or found the node healthy is taken again.
        Answer::GivenBack { .. } | Answer::StoodDown if rolling_back => Ok(()),
        Answer::Recovered => Ok(()),
        Answer::Failed { class, detail, .. } => fail(state, context, plan, name, *class, detail),
        Answer::Staged
        | Answer::AlreadyThere
        | Answer::Updated { .. }
        | Answer::RolledBack { .. }
        | Answer::GivenBack { .. }
        | Answer::StoodDown => {
            let detail = format!("{name} answered {} to another goal", answered.answer.name());
            fail(state, context, plan, name, Class::VersionMismatch, &detail)
        }
    }
}

fn arrived(
    state: &mut State,
    context: &mut Context<'_>,
    seen: &Observation,
    plan: PlanId,
) -> Result<(), Refusal> {
    let name = &seen.node;
    if shows(&seen.database, state.plan(plan)?.target_of(name)) {
        return move_node(state, context, plan, name, |status| status.updated());
    }
    let detail = "the database is not healthy on the plan's binary and version";
    fail(state, context, plan, name, Class::HealthGateFailed, detail)
}

fn went_back(
    state: &mut State,
    context: &mut Context<'_>,
    seen: &Observation,
    plan: PlanId,
) -> Result<(), Refusal> {
    let name = &seen.node;
    let target = progress(state, plan, name)?.rollback_target.clone();
    if shows(&seen.database, target) {
        return move_node(state, context, plan, name, |status| status.rolled_back());
    }
    let detail = "the database is not healthy on its rollback target and that version";
    fail(state, context, plan, name, Class::HealthGateFailed, detail)
}

/// An answer is believed only with the evidence in the same report: healthy, on the wanted digest and version.
fn shows(database: &Database, wanted: Option<Binary>) -> bool {
    wanted.is_some_and(|wanted| {
        let version = database.version.as_ref() == Some(&wanted.version);
        let version = version || Bug::NoHealthVersion.is_planted();
        database.healthy && database.digest == Some(wanted.digest) && version
    })
}

/// A failed update is rolled back; a failed rollback needs a person.
pub fn fail(
    state: &mut State,
    context: &mut Context<'_>,
    plan: PlanId,
    node: &NodeName,
    class: Class,
    detail: &str,
) -> Result<(), Refusal> {
    let kind = state.plan(plan)?.kind;
    let rolling_back = matches!(
        progress(state, plan, node)?.status,
        Status::RollingBack { .. }
    );
    if rolling_back || kind == Kind::Rollback {
        move_node(state, context, plan, node, |status| {
            status.need_operator(class, detail.to_owned())
        })
    } else {
        move_node(state, context, plan, node, |status| {
            status.fail(class, detail.to_owned())
        })
    }
}

/// SPEC §4: the host answered its newest generation, nothing older runs, and either the database is
/// healthy or it is the sick one we never touched.
fn free_slot(
    state: &mut State,
    context: &mut Context<'_>,
    name: &NodeName,
    acted: bool,
) -> Result<(), Refusal> {
    let node = state.node_mut(name)?;
    let Some(slot) = &node.slot else {
        return Ok(());
    };
    let untouched = !acted && node.database.digest == slot.ran;
    // A healthy database that is still kept from traffic is as good as down.
    let how = if node.database.healthy
        && (!node.database.drained || Bug::DrainedFreesSlot.is_planted())
    {
        "the host answered and the database is healthy"
    } else if untouched && !node.database.healthy || Bug::SicknessFreesSlot.is_planted() {
        "the host answered and never touched the database"
    } else {
        return Ok(());
    };
    node.slot = None;
    context.facts.push(Fact::SlotFreed {
        node: name.clone(),
        how: how.to_owned(),
    });
    Ok(())
}

fn noticed(
    state: &mut State,
    context: &mut Context<'_>,
    name: &NodeName,
    notice: &Notice,
) -> Result<(), Refusal> {
    match notice {
        Notice::Changed => {}
        Notice::ActedIsolated { detail } => {
            context.facts.push(Fact::ActedIsolated {
                node: name.clone(),
                detail: detail.clone(),
            });
        }
        Notice::UnknownHands { detail } => {
            let node: &mut Node = state.node_mut(name)?;
            node.drifted = Some(detail.clone());
            context.facts.push(Fact::UnknownHands {
                node: name.clone(),
                detail: detail.clone(),
            });
            let live = state
                .live_plan()
                .filter(|plan| plan.nodes.contains_key(name))
                .map(|plan| plan.id);
            if let Some(id) = live.filter(|id| {
                state.plan(*id).is_ok_and(|plan| {
                    !matches!(plan.status, crate::plans::plan::Status::Paused { .. })
                })
            }) {
                let detail = format!("somebody else changed {name}: {detail}");
                move_plan(state, context, id, |plan| {
                    plan.pause(plan.notice_until_run_ms.is_some())?;
                    plan.detail = Some(detail);
                    Ok(())
                })?;
            }
        }
    }
    Ok(())
}

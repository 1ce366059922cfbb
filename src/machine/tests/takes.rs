//! What applying a take asks again, and what a stand-down asks.

use super::rig::{Log, PLAN, healthy, name, new, updated};
use crate::base::ids::MemberId;
use crate::fleet::intent::{Goal, Which};
use crate::fleet::observation::Answer;
use crate::machine::command::{Command, Purpose, Take};
use crate::machine::refusal::Refusal;
use crate::plans::gates::Gate;
use crate::plans::plan::Scope;
use crate::plans::progress::Status;
use crate::plans::strategy::{Order, Strategy};

const UPDATE: Purpose = Purpose::Update;
const MARKED: Purpose = Purpose::Rollback { marked: true };
const UNMARKED: Purpose = Purpose::Rollback { marked: false };

fn rolling(nodes: u64) -> Log {
    Log::rolling(nodes, Strategy::default())
}

#[test]
fn a_take_rests_on_the_newest_and_comes_from_the_leader() {
    let mut log = rolling(3);
    let Command::Take(take) = log.take(2, UPDATE, &[]) else {
        panic!("a take");
    };
    let other = log.refuses(2, Command::Take(take.clone()));
    assert_eq!(other, Some(Refusal::NotTheLeader));
    let revision = take.revision + 1;
    let revised = Take {
        revision,
        ..take.clone()
    };
    assert!(log.is_stale(Command::Take(revised)));
    let after = take.after.next();
    let later = Take {
        after,
        ..take.clone()
    };
    assert!(log.is_stale(Command::Take(later)));
    log.lead(Command::Take(take));
    assert!(log.holds_slot(2));
    assert_eq!(log.stands(2), "Taken");
    let slot = |log: &mut Log| log.node(2).slot.as_ref().map(|slot| slot.was_healthy);
    assert_eq!(slot(&mut log), Some(true));
    let mut log = rolling(3);
    log.lead(log.take(2, UPDATE, &[2]));
    assert_eq!(slot(&mut log), Some(false));
}

#[test]
fn an_update_is_taken_of_a_staged_node_of_a_plan_that_goes_forward() {
    let staging = Log::staging(3, Strategy::default());
    assert!(staging.is_stale(staging.take(2, UPDATE, &[])));
    let mut one_stages = rolling(3);
    one_stages.progress(3).status = Status::Staging;
    assert!(one_stages.is_stale(one_stages.take(2, UPDATE, &[])));
    let mut paused = rolling(3);
    paused.order(Command::Pause { plan: PLAN }).unwrap();
    assert!(paused.is_stale(paused.take(2, UPDATE, &[])));
    let mut done = rolling(3);
    done.update(2);
    assert!(done.is_stale(done.take(2, UPDATE, &[])));
    let mut at_work = rolling(3);
    at_work.works(2);
    assert!(at_work.is_stale(at_work.take(2, UPDATE, &[])));
}

#[test]
fn an_update_needs_a_free_slot_and_evidence_of_every_other_node() {
    let mut taken = rolling(5);
    taken.lead(taken.take(2, UPDATE, &[]));
    assert_eq!(taken.shut(taken.take(3, UPDATE, &[])), Some(Gate::Slot));
    // Its own slot is no obstacle: a take that was never begun is made anew.
    assert_eq!(taken.refuses(1, taken.take(2, UPDATE, &[])), None);
    let log = rolling(5);
    assert_eq!(log.shut(log.take(2, UPDATE, &[5])), Some(Gate::Outsiders));
    let unseen = |mut take: Command| {
        if let Command::Take(take) = &mut take {
            take.evidence.pop();
        }
        take
    };
    let take = unseen(log.take(2, UPDATE, &[]));
    assert_eq!(log.shut(take), Some(Gate::Outsiders));
    // Unhealthy nodes of the plan do not wait for one another; too few that serve is another matter.
    assert_eq!(log.refuses(1, log.take(2, UPDATE, &[2, 5])), None);
    let few = log.take(2, UPDATE, &[2, 4, 5]);
    assert_eq!(log.shut(few), Some(Gate::Databases));
    let mut skipped = rolling(5);
    let reason = String::new();
    skipped.progress(5).status = Status::Skipped { reason };
    assert_eq!(skipped.refuses(1, skipped.take(2, UPDATE, &[5])), None);
    let take = unseen(skipped.take(2, UPDATE, &[]));
    assert_eq!(skipped.refuses(1, take), None);
}

#[test]
fn the_leaders_node_is_taken_after_a_handoff_that_failed_or_where_nobody_else_could_lead() {
    let mut log = rolling(3);
    assert_eq!(log.shut(log.take(1, UPDATE, &[])), Some(Gate::Handoff));
    log.state.head.term.handoff_failed = true;
    assert_eq!(log.refuses(1, log.take(1, UPDATE, &[])), None);
    let mut alone = rolling(3);
    alone.state.head.membership.voters = [MemberId(1)].into();
    assert_eq!(alone.refuses(1, alone.take(1, UPDATE, &[])), None);
}

#[test]
fn back_goes_what_the_turn_names() {
    let mut log = rolling(3);
    log.update(2);
    log.update(3);
    assert!(log.is_stale(log.take(2, UNMARKED, &[])), "it goes forward");
    log.order(rollback()).unwrap();
    assert_eq!(log.refuses(1, log.take(2, UNMARKED, &[])), None);
    assert!(
        log.is_stale(log.take(1, UNMARKED, &[])),
        "it was never updated"
    );
    let only = Scope::Nodes([name(3)].into());
    log.plan().turn.as_mut().unwrap().scope = only;
    assert!(log.is_stale(log.take(2, UNMARKED, &[])));
    assert_eq!(log.refuses(1, log.take(3, UNMARKED, &[])), None);
}

fn rollback() -> Command {
    Command::Rollback {
        plan: PLAN,
        nodes: None,
    }
}

#[test]
fn only_a_node_seen_unhealthy_goes_back_without_a_free_slot() {
    let mut log = rolling(3);
    log.update(2);
    log.works(3);
    log.order(rollback()).unwrap();
    assert_eq!(log.shut(log.take(2, UNMARKED, &[])), Some(Gate::Slot));
    assert_eq!(log.shut(log.take(2, UNMARKED, &[2])), Some(Gate::Slot));
    assert_eq!(log.shut(log.take(2, MARKED, &[])), Some(Gate::Slot));
    assert_eq!(log.refuses(1, log.take(2, MARKED, &[2])), None);
    assert_eq!(log.refuses(1, log.take(3, UNMARKED, &[])), None);
    let mut free = rolling(3);
    free.update(2);
    free.order(rollback()).unwrap();
    let few = free.take(2, UNMARKED, &[1, 3]);
    assert_eq!(free.shut(few), Some(Gate::Databases));
}

#[test]
fn what_was_taken_and_is_not_past_its_boundary_is_stood_down_by_the_leader() {
    let stand_down = |log: &Log| Command::StandDown {
        node: name(2),
        after: log.generation(2),
    };
    let mut log = rolling(3);
    assert!(log.is_stale(stand_down(&log)), "it only staged");
    log.lead(log.take(2, UPDATE, &[]));
    assert_eq!(
        log.refuses(2, stand_down(&log)),
        Some(Refusal::NotTheLeader)
    );
    let after = log.generation(2).next();
    let node = name(2);
    assert!(log.is_stale(Command::StandDown { node, after }));
    let mut answered = log.again();
    let reason = "no begin".to_owned();
    answered
        .answer(2, Answer::GivenBack { reason }, false)
        .unwrap();
    assert!(answered.is_stale(stand_down(&answered)));
    log.begin(2, Which::First).unwrap();
    let mut at_work = log.again();
    at_work.begin(2, Which::Second).unwrap();
    assert!(at_work.is_stale(stand_down(&at_work)));
    log.lead(stand_down(&log));
    let intent = log.node(2).intent.clone().unwrap();
    assert_eq!((intent.goal, intent.taken), (Goal::StandDown, None));
}

#[test]
fn an_answer_of_the_newest_generation_ends_the_take() {
    let mut log = rolling(3);
    log.works(2);
    log.node(2).database = healthy(new());
    log.answer(2, updated(), true).unwrap();
    assert_eq!(log.stands(2), "Updated");
    assert!(!log.holds_slot(2));
}

#[test]
fn a_zone_is_taken_when_the_one_before_is_updated_and_an_unhealthy_node_outranks_that() {
    let order = Order::Zone;
    let mut log = Log::rolling(
        3,
        Strategy {
            order,
            ..Strategy::default()
        },
    );
    for (number, zone) in [(1, "a"), (2, "b"), (3, "a")] {
        log.node(number).zone = Some(zone.to_owned());
    }
    log.state.head.term.handoff_failed = true;
    log.update(3);
    let wave = Some(Gate::PreviousWave);
    assert_eq!(log.shut(log.take(2, UPDATE, &[])), wave);
    assert_eq!(log.refuses(1, log.take(2, UPDATE, &[2])), None);
    log.update(1);
    assert_eq!(log.refuses(1, log.take(2, UPDATE, &[])), None);
}

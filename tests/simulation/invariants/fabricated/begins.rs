//! Bad begins, takes of the removed, ways back that are none.

use std::collections::{BTreeMap, BTreeSet};

use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{Generation, MemberId, PlanId};
use aegis_updates::fleet::intent::{Begin, Goal, Intent, Which};
use aegis_updates::journal::fact::Fact;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::machine::submission::Position;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress;
use aegis_updates::plans::spec::Binary;

use super::{evidence, judged, name, record, take, world};
use crate::invariants::{begins, i10, i21, members};
use crate::oracle::{Step, Times};
use crate::world::World;

/// The second node is taken to update, and begun.
fn taken(world: &World) -> (State, Begin) {
    let mut state = world.oracle.state.clone();
    let plan = state.plans.get_mut(&PlanId(1)).unwrap();
    let progress = plan.nodes.get_mut(&name(2)).unwrap();
    progress.status = progress::Status::Updating { step: None };
    let rollback_target = progress.rollback_target.clone().unwrap();
    let target = plan.target_of(&name(2)).unwrap();
    let node = state.nodes.get_mut(&name(2)).unwrap();
    node.intent = Some(Intent {
        generation: node.generation,
        plan: PlanId(1),
        goal: Goal::Update {
            target,
            rollback_target,
        },
        deadlines: Default::default(),
        taken: None,
    });
    node.answered = None;
    let begin = Begin {
        generation: node.generation,
        which: Which::Second,
        attempt: 7,
    };
    node.open = vec![begin.clone()];
    (state, begin)
}

#[test]
fn a_begin_of_a_skipped_node_an_old_attempt_or_an_old_generation() {
    let world = world();
    let (after, begin) = taken(&world);
    let mut before = after.clone();
    before.nodes.get_mut(&name(2)).unwrap().open.clear();
    let of = |begin: &Begin, before: &State, after: &State| {
        let command = Command::Begin {
            node: name(2),
            begin: begin.clone(),
        };
        judged(begins::judge, &command, before, after, &[], 1)
    };
    assert_eq!(of(&begin, &before, &after), Ok(()));

    let reason = String::new();
    for status in [
        progress::Status::Skipped { reason },
        progress::Status::Staged,
    ] {
        let mut gone = before.clone();
        let plan = gone.plans.get_mut(&PlanId(1)).unwrap();
        plan.nodes.get_mut(&name(2)).unwrap().status = status;
        assert!(of(&begin, &gone, &after).is_err());
    }
    let mut turned = before.clone();
    turned.plans.get_mut(&PlanId(1)).unwrap().status = Status::RollingBack;
    assert!(of(&begin, &turned, &after).is_err());

    let newer = Begin {
        attempt: 8,
        ..begin.clone()
    };
    let mut overtaken = before.clone();
    overtaken.nodes.get_mut(&name(2)).unwrap().open = vec![newer.clone()];
    assert!(of(&begin, &overtaken, &after).is_err(), "an older attempt");
    let mut both = after.clone();
    both.nodes.get_mut(&name(2)).unwrap().open.push(newer);
    assert!(of(&begin, &before, &both).is_err(), "two attempts count");
    let mut later = before.clone();
    let node = later.nodes.get_mut(&name(2)).unwrap();
    node.generation = node.generation.next();
    assert!(of(&begin, &later, &after).is_err(), "an older generation");
}

#[test]
fn a_rename_by_another_attempt_than_the_newest() {
    let world = world();
    let (state, begin) = taken(&world);
    let used = |attempt| begins::used(&state, &name(2), begin.generation, attempt);
    assert_eq!(used(7), Ok(()));
    assert!(used(8).is_err());
    assert!(used(6).is_err());
}

#[test]
fn a_take_of_a_node_whose_member_is_removed_or_about_to_be() {
    let world = world();
    let state = &world.oracle.state;
    let of = |state: &State| {
        let command = take(&world, 2, evidence([true; 3], 0));
        judged(members::judge, &command, state, state, &[], 1)
    };
    assert_eq!(of(state), Ok(()));
    let mut removed = state.clone();
    removed.head.membership.members.remove(&MemberId(2));
    assert!(of(&removed).is_err());
    let mut joint = state.clone();
    joint.head.membership.joint = true;
    assert!(of(&joint).is_err());
    let mut gone = state.clone();
    gone.nodes.remove(&name(2));
    assert!(of(&gone).is_err());
}

#[test]
fn i10_a_node_that_goes_back_to_what_it_did_not_come_from() {
    let world = world();
    let state = &world.oracle.state;
    let old = Digest::of(b"1.0.0");
    let times = Times {
        went_from: BTreeMap::from([((PlanId(1), name(2)), old)]),
        ..Times::default()
    };
    let judge = |after: &State, fact: Fact| {
        i10::judge_state(&Step {
            now_ms: 0,
            position: Position {
                index: 99,
                term: 1,
                leader: MemberId(1),
            },
            appended_ms: 0,
            command: &Command::Tick { previous_ms: 0 },
            before: None,
            after,
            result: &Ok(Reply::Done),
            facts: &[record(fact)],
            times: &times,
        })
    };
    let went = || Fact::NodeStatus {
        plan: PlanId(1),
        node: name(2),
        from: "RollingBack".to_owned(),
        to: "RolledBack".to_owned(),
        class: None,
        detail: None,
    };
    let taken = || Fact::Taken {
        plan: PlanId(1),
        node: name(2),
        generation: Generation::default(),
        goal: "rollback".to_owned(),
        leader: MemberId(1),
        first: true,
        evidence: Vec::new(),
    };
    let at = |digest: Digest| {
        let mut state = state.clone();
        let node = state.nodes.get_mut(&name(2)).unwrap();
        node.database.digest = Some(digest);
        let target = Binary {
            version: "1.0.0".to_owned(),
            digest,
        };
        node.intent.as_mut().unwrap().goal = Goal::Rollback {
            target,
            marked: false,
        };
        state
    };
    for fact in [went, taken as fn() -> Fact] {
        assert_eq!(judge(&at(old), fact()), Ok(()));
        assert!(judge(&at(Digest::of(b"1.1.0")), fact()).is_err());
    }
}

#[test]
fn i21_a_downgrade_without_permission_and_a_way_back_that_is_refused_or_gone() {
    let world = world();
    let mut state = world.oracle.state.clone();
    let judge = |state: &State, command: &Command, result: &Result<Reply, Refusal>| {
        i21::judge(&Step {
            now_ms: 0,
            position: Position {
                index: 99,
                term: 1,
                leader: MemberId(1),
            },
            appended_ms: 0,
            command,
            before: None,
            after: state,
            result,
            facts: &[],
            times: &Times::default(),
        })
    };
    let id = PlanId(1);
    let execute = Command::Execute {
        plan: id,
        revision: None,
    };
    let made = Ok(Reply::Plan { id, revision: 1 });
    assert_eq!(judge(&state, &execute, &made), Ok(()));
    let ran = state.nodes[&name(2)].database.clone();
    let newer = &mut state.nodes.get_mut(&name(2)).unwrap().database;
    newer.version = Some("9.0.0".to_owned());
    assert!(judge(&state, &execute, &made).is_err());
    let plan = state.plans.get_mut(&id).unwrap();
    plan.strategy.allow_downgrade = true;
    let target = plan.target_of(&name(2)).unwrap();
    assert_eq!(judge(&state, &execute, &made), Ok(()));

    let back = Command::Rollback {
        plan: id,
        nodes: None,
    };
    let nothing = Err(Refusal::NothingToRollBack { plan: id });
    let old = ran.digest.unwrap();
    state.nodes.get_mut(&name(2)).unwrap().database = ran;
    assert_eq!(judge(&state, &back, &nothing), Ok(()));
    let there = &mut state.nodes.get_mut(&name(2)).unwrap().database;
    there.digest = Some(target.digest);
    assert!(judge(&state, &back, &nothing).is_err());
    assert_eq!(i21::can_go_back(&BTreeSet::from([old]), old), Ok(()));
    assert!(i21::can_go_back(&BTreeSet::from([target.digest]), old).is_err());
}

#[test]
fn a_stand_down_past_the_boundary() {
    let world = world();
    let mut node = world.oracle.state.nodes[&name(2)].clone();
    assert_eq!(begins::stands_down(&node), Ok(()));
    node.open.push(Begin {
        generation: node.generation,
        which: Which::Second,
        attempt: 1,
    });
    assert!(begins::stands_down(&node).is_err());
}

//! An operator's hand on plans and slots: what each act does from where, and what it does not do twice.

use std::collections::BTreeSet;

use super::rig::{Log, PLAN, healthy, name, new, old, spec, updated};
use crate::base::ids::{NodeName, PlanId};
use crate::fleet::intent::Which;
use crate::machine::command::{Command, Purpose};
use crate::machine::refusal::Refusal;
use crate::machine::state::Reply;
use crate::plans::plan::{Direction, Scope, Status};
use crate::plans::spec::Kind;
use crate::plans::strategy::{OnQuorumLoss, Strategy};

const CANCEL: Command = Command::Cancel { plan: PLAN };
const PAUSE: Command = Command::Pause { plan: PLAN };

fn rolling() -> Log {
    Log::rolling(3, Strategy::default())
}

fn paused(of: Direction, quorum_lost: bool) -> Log {
    let mut log = rolling();
    log.update(2);
    if of == Direction::Back {
        log.order(rollback(None)).unwrap();
    }
    log.plan().status = Status::Paused { of, quorum_lost };
    log
}

fn rollback(nodes: Option<&[u64]>) -> Command {
    let named = |numbers: &[u64]| numbers.iter().map(|number| name(*number)).collect();
    Command::Rollback {
        plan: PLAN,
        nodes: nodes.map(named),
    }
}

fn resume(direction: Option<Direction>) -> Command {
    Command::Resume {
        plan: PLAN,
        direction,
    }
}

fn is_wrong(result: Result<Reply, Refusal>) -> bool {
    matches!(result, Err(Refusal::WrongStatus { .. }))
}

#[test]
fn what_an_operator_changed_has_the_next_revision() {
    let mut log = rolling();
    let id = PLAN;
    assert_eq!(log.order(PAUSE), Ok(Reply::Plan { id, revision: 2 }));
    assert_eq!(log.order(PAUSE), Ok(Reply::Unchanged));
    assert_eq!(log.order(resume(None)), Ok(Reply::Plan { id, revision: 3 }));
}

#[test]
fn a_paused_plan_goes_on_where_it_was_going_or_turns_and_never_forward_again() {
    let to = |of, lost, direction| {
        let mut log = paused(of, lost);
        log.order(resume(direction)).map(|_| log.status())
    };
    let (forward, back) = (Direction::Forward, Direction::Back);
    assert_eq!(to(forward, false, None), Ok(Status::InProgress));
    assert_eq!(to(forward, false, Some(back)), Ok(Status::RollingBack));
    assert_eq!(to(back, false, None), Ok(Status::RollingBack));
    let refused = to(back, false, Some(forward));
    assert!(matches!(refused, Err(Refusal::WrongStatus { .. })));
    let needed = Refusal::DirectionNeeded { plan: PLAN };
    assert_eq!(to(forward, true, None), Err(needed));
    assert_eq!(to(forward, true, Some(forward)), Ok(Status::InProgress));
    assert_eq!(to(forward, true, Some(back)), Ok(Status::RollingBack));
}

#[test]
fn a_plan_that_is_not_paused_is_resumed_without_effect_or_refused() {
    let mut log = rolling();
    assert_eq!(log.order(resume(None)), Ok(Reply::Unchanged));
    assert!(is_wrong(log.order(resume(Some(Direction::Back)))));
    log.order(CANCEL).unwrap();
    assert!(is_wrong(log.order(resume(None))));
}

#[test]
fn a_plan_is_cancelled_from_wherever_it_does_not_go_back() {
    let mut pending = Log::of(3);
    let create = Command::CreatePlan(spec(Strategy::default()));
    pending.order(create).unwrap();
    pending.order(CANCEL).unwrap();
    assert_eq!(pending.status(), Status::Cancelled);
    assert_eq!(pending.order(CANCEL), Ok(Reply::Unchanged));
    let mut in_hand = rolling();
    in_hand.works(2);
    in_hand.plan().notice_until_run_ms = Some(9_000);
    in_hand.order(CANCEL).unwrap();
    assert_eq!(in_hand.status(), Status::InProgress);
    assert_eq!(in_hand.plan().notice_until_run_ms, None);
    assert_eq!(in_hand.order(CANCEL), Ok(Reply::Unchanged));
    in_hand.node(2).database = healthy(new());
    in_hand.answer(2, updated(), true).unwrap();
    assert_eq!(in_hand.status(), Status::Cancelled);
    let mut paused_forward = paused(Direction::Forward, false);
    paused_forward.order(CANCEL).unwrap();
    assert_eq!(paused_forward.status(), Status::Cancelled);
    assert!(is_wrong(paused(Direction::Back, false).order(CANCEL)));
    let mut back = rolling();
    back.update(2);
    back.order(rollback(None)).unwrap();
    assert!(is_wrong(back.order(CANCEL)));
}

#[test]
fn a_live_plan_turns_as_a_whole_and_once() {
    let mut log = rolling();
    log.update(2);
    assert!(is_wrong(log.again().order(rollback(Some(&[2])))));
    log.order(rollback(None)).unwrap();
    assert_eq!(
        (log.status(), log.scope()),
        (Status::RollingBack, Some(Scope::All))
    );
    assert_eq!(log.order(rollback(None)), Ok(Reply::Unchanged));
    let mut one = log.again();
    one.plan().turn.as_mut().unwrap().scope = Scope::Nodes([name(2)].into());
    let mut stopped = one.again();
    one.order(rollback(None)).unwrap();
    assert_eq!(one.scope(), Some(Scope::All));
    stopped.order(PAUSE).unwrap();
    stopped.order(rollback(None)).unwrap();
    assert_eq!(stopped.status(), Status::RollingBack);
    log.order(PAUSE).unwrap();
    assert!(is_wrong(log.order(rollback(None))));
}

/// All nodes are updated, but for `n1`, which an operator skipped.
fn ended() -> Log {
    let mut log = Log::rolling(
        3,
        Strategy {
            min_available: Some(1),
            ..Strategy::default()
        },
    );
    log.update(2);
    log.update(3);
    let (plan, node) = (PLAN, name(1));
    log.order(Command::SkipNode { plan, node }).unwrap();
    assert_eq!(log.status(), Status::Failed);
    log
}

#[test]
fn a_plan_that_ended_is_taken_back_by_one_of_its_own() {
    let names = |log: &Log, id: PlanId| -> Vec<NodeName> {
        log.state.plans[&id].nodes.keys().cloned().collect()
    };
    let mut log = ended();
    let empty = log.again().order(rollback(Some(&[])));
    assert_eq!(empty, Err(Refusal::EmptyNodes));
    let other = log.again().order(rollback(Some(&[2, 7])));
    assert!(matches!(other, Err(Refusal::NotInPlan { node, .. }) if node == name(7)));
    let nothing = Err(Refusal::NothingToRollBack { plan: PLAN });
    assert_eq!(log.again().order(rollback(Some(&[1]))), nothing);
    let mut part = log.again();
    part.order(rollback(Some(&[3]))).unwrap();
    assert_eq!(names(&part, PlanId(2)), [name(3)]);
    // It runs the release no more, or never ran anything else: there is nowhere to go back to.
    log.node(3).database = healthy(old());
    log.order(rollback(None)).unwrap();
    assert_eq!(names(&log, PlanId(2)), [name(2)]);
    let plan = log.state.plans[&PlanId(2)].clone();
    assert_eq!((plan.kind, plan.takes_back), (Kind::Rollback, Some(PLAN)));
    assert_eq!(plan.strategy.on_quorum_loss, OnQuorumLoss::Pause);
    assert!(plan.strategy.allow_downgrade);
    assert_eq!(plan.strategy.deadlines.soak.0, 0);
    let of_rollback = log.order(Command::Rollback {
        plan: PlanId(2),
        nodes: None,
    });
    assert!(is_wrong(of_rollback));
}

#[test]
fn a_node_that_ran_the_release_before_the_plan_is_not_taken_back() {
    let mut log = ended();
    log.progress(3).rollback_target = Some(new());
    log.order(rollback(None)).unwrap();
    let names: BTreeSet<NodeName> = log.state.plans[&PlanId(2)].nodes.keys().cloned().collect();
    assert_eq!(names, [name(2)].into());
}

#[test]
fn a_slot_is_released_of_a_host_that_is_not_heard_and_off_where_it_began() {
    let release = |host_is_off, heard| Command::ReleaseSlot {
        node: name(2),
        host_is_off,
        heard,
    };
    let node = || name(2);
    let mut log = rolling();
    let none = log.again().order(release(true, false));
    assert_eq!(none, Err(Refusal::NoSlot { node: node() }));
    log.lead(log.take(2, Purpose::Update, &[]));
    let heard = log.again().order(release(true, true));
    assert_eq!(heard, Err(Refusal::HostHeard { node: node() }));
    let mut unbegun = log.again();
    unbegun.order(release(false, false)).unwrap();
    assert!(!unbegun.holds_slot(2));
    assert_eq!(unbegun.stands(2), "Staged", "nothing was begun there");
    log.begin(2, Which::First).unwrap();
    let open = log.again().order(release(false, false));
    assert_eq!(open, Err(Refusal::BeginOpen { node: node() }));
    let mut drained = log.again();
    drained.order(release(true, false)).unwrap();
    assert_eq!(drained.stands(2), "Staged", "nothing was swapped there");
    log.begin(2, Which::Second).unwrap();
    let given = log.generation(2);
    log.order(release(true, false)).unwrap();
    assert!(!log.holds_slot(2) && log.generation(2) > given);
    assert_eq!(
        log.stands(2),
        "Taken",
        "it is past its boundary, and nobody knows how far"
    );
    let (plan, reason) = (PLAN, String::new());
    let mut skipped = rolling();
    skipped.lead(skipped.take(2, Purpose::Update, &[]));
    skipped
        .order(Command::SkipNode { plan, node: node() })
        .unwrap();
    skipped.order(release(false, false)).unwrap();
    assert_eq!(
        (skipped.stands(2), reason),
        ("Skipped".to_owned(), String::new())
    );
}

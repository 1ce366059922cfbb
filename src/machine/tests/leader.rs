//! What the leader found out, what `run` time alone decides, and what follows from both.

use super::rig::{Log, PLAN, healthy, name, new, old, updated};
use crate::base::failure::Class;
use crate::base::ids::MemberId;
use crate::base::limits::HANDOFF_TRIES_MAX;
use crate::fleet::observation::{Answer, Database};
use crate::journal::fact::Fact;
use crate::machine::command::{Command, NodeFailure, Purpose};
use crate::machine::refusal::Refusal;
use crate::plans::plan::{Direction, Scope, Status};
use crate::plans::progress;
use crate::plans::progress::Step;
use crate::plans::strategy::{
    OnHandoffFailure, OnNodeFailure, OnQuorumLoss, OnUnreachable, Strategy,
};

const TICK: Command = Command::Tick { previous_ms: 1 };

fn rolling(strategy: Strategy) -> Log {
    Log::rolling(3, strategy)
}

fn fail(log: &Log, number: u64) -> Command {
    Command::FailNode(NodeFailure {
        plan: PLAN,
        node: name(number),
        after: log.generation(number),
        class: Class::HealthGateFailed,
        detail: "it stayed ill".to_owned(),
        seen_run_ms: None,
    })
}

/// Found by seeds 526239 and 589666: it was judged on its wait for the second begin, which came meanwhile.
#[test]
fn a_node_that_moved_on_since_the_decision_is_not_called_failed() {
    let mut log = rolling(Strategy::default());
    log.lead(log.take(2, Purpose::Update, &[]));
    let seen = log.progress(2).since_run_ms;
    let mut late = fail(&log, 2);
    for (moved_ms, stale) in [(1, true), (0, false)] {
        if let Command::FailNode(NodeFailure { seen_run_ms, .. }) = &mut late {
            *seen_run_ms = Some(seen + moved_ms);
        }
        assert_eq!(log.is_stale(late.clone()), stale);
    }
}

fn give_up(log: &Log, number: u64) -> Command {
    Command::GiveUpNode {
        plan: PLAN,
        node: name(number),
        after: log.generation(number),
    }
}

fn lose() -> Command {
    let lost = vec![name(2), name(3)];
    Command::LoseQuorum { plan: PLAN, lost }
}

fn turn(log: &mut Log) {
    let (plan, nodes) = (PLAN, None);
    log.order(Command::Rollback { plan, nodes }).unwrap();
}

fn on_failure(on_node_failure: OnNodeFailure) -> Strategy {
    Strategy {
        on_node_failure,
        ..Strategy::default()
    }
}

#[test]
fn what_the_leader_found_out_rests_on_the_newest_of_a_live_plan() {
    let mut log = rolling(Strategy::default());
    log.update(2);
    let not_leading = Some(Refusal::NotTheLeader);
    assert_eq!(log.refuses(2, fail(&log, 2)), not_leading);
    assert_eq!(log.refuses(2, give_up(&log, 3)), not_leading);
    assert_eq!(log.refuses(2, lose()), not_leading);
    let (for_two, for_three) = (fail(&log, 2), give_up(&log, 3));
    let mut newer = log.again();
    for number in [2, 3] {
        newer.node(number).generation = newer.generation(number).next();
    }
    assert!(newer.is_stale(for_two.clone()) && newer.is_stale(for_three.clone()));
    let mut over = log.again();
    over.order(Command::Cancel { plan: PLAN }).unwrap();
    for command in [for_two, for_three, lose()] {
        assert!(over.is_stale(command.clone()), "{command:?}");
    }
    assert!(log.is_stale(fail(&log, 3)), "it waits for its turn");
    assert!(log.is_stale(give_up(&log, 2)), "it is done");
}

#[test]
fn an_unreachable_node_pauses_a_plan_that_goes_on_or_is_skipped() {
    let mut log = rolling(Strategy::default());
    log.lead(give_up(&log, 2));
    assert!(matches!(
        log.status(),
        Status::Paused {
            quorum_lost: false,
            ..
        }
    ));
    assert!(log.is_stale(give_up(&log, 2)));
    let on_unreachable = OnUnreachable::Skip;
    let mut log = rolling(Strategy {
        on_unreachable,
        ..Strategy::default()
    });
    log.lead(give_up(&log, 2));
    assert_eq!(
        (log.stands(2).as_str(), log.status()),
        ("Skipped", Status::InProgress)
    );
}

#[test]
fn a_loss_of_quorum_gives_notice_once_or_pauses_and_is_remembered_where_it_is_paused() {
    let mut log = rolling(Strategy::default());
    log.lead(lose());
    let until = log.plan().notice_until_run_ms;
    assert_eq!(until, Some(log.plan().strategy.rollback_notice.0));
    assert!(matches!(log.facts[..], [Fact::QuorumLost { .. }]));
    assert!(log.is_stale(lose()));
    log.lead(Command::Tick {
        previous_ms: 60_000,
    });
    assert!(log.facts.is_empty(), "it is the same loss");
    let on_quorum_loss = OnQuorumLoss::Pause;
    let mut log = rolling(Strategy {
        on_quorum_loss,
        ..Strategy::default()
    });
    log.lead(lose());
    assert!(matches!(
        log.status(),
        Status::Paused {
            quorum_lost: true,
            ..
        }
    ));
    let mut log = rolling(Strategy::default());
    log.order(Command::Pause { plan: PLAN }).unwrap();
    log.lead(lose());
    assert!(matches!(
        log.status(),
        Status::Paused {
            quorum_lost: true,
            ..
        }
    ));
    assert!(matches!(log.facts[..], [Fact::QuorumLost { .. }]));
    let mut log = rolling(Strategy::default());
    log.update(2);
    turn(&mut log);
    log.lead(lose());
    assert_eq!((log.status(), log.facts.len()), (Status::RollingBack, 0));
}

/// A tick, this long after the plan last moved.
fn ticked(log: &Log, after_ms: u64) -> Log {
    let mut log = log.again();
    log.state.head.clock.run_ms = after_ms;
    log.lead(TICK);
    log
}

#[test]
fn a_plan_without_progress_is_paused_when_its_deadline_has_passed() {
    let mut log = rolling(Strategy::default());
    log.lead(log.take(2, Purpose::Update, &[]));
    let deadline = log.plan().strategy.progress_deadline.0;
    assert_eq!(ticked(&log, deadline).status(), Status::InProgress);
    let paused = ticked(&log, deadline + 1).status();
    assert!(matches!(
        paused,
        Status::Paused {
            of: Direction::Forward,
            ..
        }
    ));
}

/// Found by seed 1097666: databases of nodes that were skipped came and went, and another node was taken and given back
/// for as long. Only what gets farther than ever moves a plan on.
#[test]
fn a_node_taken_and_given_back_again_and_again_is_no_progress() {
    let mut log = rolling(Strategy::default());
    let deadline = log.plan().strategy.progress_deadline.0;
    for run_ms in [10, 20, deadline] {
        log.state.head.clock.run_ms = run_ms;
        log.lead(log.take(2, Purpose::Update, &[]));
        let reason = "a gate is shut".to_owned();
        let back = Answer::GivenBack { reason };
        log.answer(2, back, false).unwrap();
    }
    assert_eq!(ticked(&log, 10 + deadline).status(), Status::InProgress);
    let paused = ticked(&log, 11 + deadline).status();
    assert!(matches!(paused, Status::Paused { .. }), "{paused:?}");
    // It gets farther.
    log.update(2);
    assert_eq!(ticked(&log, 11 + deadline).status(), Status::InProgress);
}

#[test]
fn a_cancelled_plan_waits_for_a_host_in_hand_no_longer_than_a_rollback_may_take() {
    let mut log = rolling(Strategy::default());
    log.works(2);
    log.order(Command::Cancel { plan: PLAN }).unwrap();
    let deadline = log.plan().strategy.rollback_deadline.0;
    assert_eq!(ticked(&log, deadline).status(), Status::InProgress);
    assert_eq!(ticked(&log, deadline + 1).status(), Status::Cancelled);
}

#[test]
fn an_overdue_rollback_fails_and_names_what_is_not_back() {
    let mut log = rolling(Strategy::default());
    log.update(2);
    log.update(3);
    turn(&mut log);
    log.progress(3).status = progress::Status::RolledBack;
    let deadline = log.plan().strategy.rollback_deadline.0;
    assert_eq!(ticked(&log, deadline).status(), Status::RollingBack);
    let mut late = ticked(&log, deadline + 1);
    assert_eq!(late.status(), Status::Failed);
    let detail = late.plan().detail.clone().unwrap();
    assert!(detail.ends_with("not rolled back: n2"), "{detail}");
}

#[test]
fn a_handoff_has_failed_after_its_tries_or_where_nobody_can_lead() {
    let failed = |target| Command::HandoffFailed {
        target,
        reason: "it did not answer".to_owned(),
    };
    let mut log = rolling(Strategy::default());
    assert_eq!(log.refuses(2, failed(None)), Some(Refusal::NotTheLeader));
    for tries in 1..=HANDOFF_TRIES_MAX {
        log.lead(failed(Some(MemberId(2))));
        let term = &log.state.head.term;
        assert_eq!(term.handoff_failed, tries == HANDOFF_TRIES_MAX);
    }
    assert_eq!(log.status(), Status::InProgress);
    let on_handoff_failure = OnHandoffFailure::Pause;
    let mut log = rolling(Strategy {
        on_handoff_failure,
        ..Strategy::default()
    });
    log.lead(failed(None));
    assert!(log.state.head.term.handoff_failed);
    assert!(matches!(log.status(), Status::Paused { .. }));
}

#[test]
fn a_node_that_fails_turns_its_plan_as_far_as_the_strategy_says() {
    let after = |strategy| {
        let mut log = rolling(on_failure(strategy));
        log.update(2);
        log.lead(fail(&log, 2));
        (log.status(), log.scope())
    };
    let only = Scope::Nodes([name(2)].into());
    let back = Status::RollingBack;
    assert_eq!(
        after(OnNodeFailure::RollbackNode),
        (back.clone(), Some(only))
    );
    assert_eq!(after(OnNodeFailure::RollbackAll), (back, Some(Scope::All)));
    let (paused, scope) = after(OnNodeFailure::Pause);
    assert!(matches!(
        paused,
        Status::Paused {
            of: Direction::Forward,
            ..
        }
    ));
    assert_eq!(scope, None);
}

#[test]
fn a_failure_with_nothing_begun_ends_the_plan_and_one_in_a_paused_plan_waits() {
    let mut log = Log::staging(3, Strategy::default());
    log.lead(fail(&log, 2));
    assert_eq!((log.status(), log.scope()), (Status::Failed, None));
    // What is in hand may have begun by now.
    let mut taken = rolling(Strategy::default());
    taken.lead(taken.take(2, Purpose::Update, &[]));
    taken.lead(fail(&taken, 2));
    assert_eq!(taken.status(), Status::RollingBack);
    let mut paused = rolling(Strategy::default());
    paused.update(2);
    paused.order(Command::Pause { plan: PLAN }).unwrap();
    paused.lead(fail(&paused, 2));
    assert!(matches!(paused.status(), Status::Paused { .. }));
    paused
        .order(Command::Resume {
            plan: PLAN,
            direction: None,
        })
        .unwrap();
    assert_eq!(paused.status(), Status::RollingBack);
}

#[test]
fn a_failed_node_counts_as_back_when_it_was_never_touched_and_serves() {
    let failed = Answer::Failed {
        step: Step::Draining,
        class: Class::DrainFailed,
        detail: "it does not drain".to_owned(),
    };
    let after = |database: Database, begun: bool| {
        let mut log = rolling(Strategy::default());
        log.update(3);
        log.lead(log.take(2, Purpose::Update, &[]));
        if begun {
            log.begin(2, crate::fleet::intent::Which::First).unwrap();
        }
        log.node(2).database = database;
        log.answer(2, failed.clone(), begun).unwrap();
        (log.stands(2), log.status())
    };
    // The plan ends with another node on the new release.
    let back = ("RolledBack".to_owned(), Status::Failed);
    let old = healthy(old());
    let waits = |ended: (String, Status)| ended.1 == Status::RollingBack;
    assert_eq!(after(old.clone(), true), back);
    assert_eq!(after(old.clone(), false), back);
    let installed = Some(new().digest);
    assert!(waits(after(
        Database {
            installed,
            ..old.clone()
        },
        true
    )));
    assert!(waits(after(healthy(new()), true)));
    assert!(waits(after(
        Database {
            healthy: false,
            ..old
        },
        false
    )));
}

#[test]
fn a_plan_ends_when_no_host_has_it_in_hand() {
    let mut log = rolling(Strategy::default());
    log.update(2);
    log.update(3);
    log.state.head.term.handoff_failed = true;
    log.works(1);
    log.node(1).database = Database {
        drained: true,
        ..healthy(new())
    };
    log.answer(1, updated(), true).unwrap();
    assert_eq!(
        (log.stands(1).as_str(), log.status()),
        ("Updated", Status::InProgress)
    );
    log.node(1).database.drained = false;
    log.answer(1, updated(), true).unwrap();
    assert_eq!(log.status(), Status::Completed);
    // Given up, its host is waited for no more, though it holds its slot.
    let mut skipped = rolling(Strategy::default());
    skipped.update(2);
    skipped.update(3);
    skipped.state.head.term.handoff_failed = true;
    skipped.works(1);
    let (plan, node) = (PLAN, name(1));
    skipped.order(Command::SkipNode { plan, node }).unwrap();
    assert_eq!(
        (skipped.holds_slot(1), skipped.status()),
        (true, Status::Failed)
    );
    assert!(
        skipped.node(1).intent.is_some(),
        "what it does it goes on doing"
    );
}

#[test]
fn hosts_stop_staging_for_a_plan_that_ended() {
    let mut log = Log::staging(3, Strategy::default());
    log.answer(3, Answer::Staged, false).unwrap();
    log.order(Command::Cancel { plan: PLAN }).unwrap();
    assert_eq!(log.status(), Status::Cancelled);
    assert_eq!(log.node(2).intent, None);
    assert!(log.node(3).intent.is_some(), "it is answered");
}

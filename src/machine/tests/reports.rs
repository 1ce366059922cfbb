//! What a host's report moves, which of them are believed, and what frees a slot.

use super::rig::{Log, PLAN, healthy, name, new, old, updated};
use crate::base::digest::Digest;
use crate::base::failure::Class;
use crate::fleet::observation::{Answer, Database, Notice, Observation, Rejoin, Report};
use crate::journal::fact::Fact;
use crate::machine::command::{Command, Purpose};
use crate::machine::refusal::Refusal;
use crate::plans::plan::Status as PlanStatus;
use crate::plans::progress::Step;
use crate::plans::strategy::{OnNodeFailure, Strategy};

/// A failed node pauses the plan, and so stays where it failed.
fn pausing() -> Strategy {
    Strategy {
        on_node_failure: OnNodeFailure::Pause,
        ..Strategy::default()
    }
}

fn taken() -> Log {
    let mut log = Log::rolling(3, pausing());
    log.works(2);
    log
}

fn going_back() -> Log {
    let mut log = Log::rolling(3, pausing());
    log.update(2);
    let (plan, nodes) = (PLAN, None);
    log.order(Command::Rollback { plan, nodes }).unwrap();
    let marked = false;
    log.lead(log.take(2, Purpose::Rollback { marked }, &[]));
    log
}

fn given_back() -> Answer {
    let reason = "no begin".to_owned();
    Answer::GivenBack { reason }
}

#[test]
fn a_report_is_its_hosts_own_and_newer_than_the_last() {
    let mut log = taken();
    let node = log.node(2).clone();
    let seen = |sequence, generation, report| {
        Command::Observe(Observation {
            node: name(2),
            generation,
            sequence,
            database: node.database.clone(),
            report,
        })
    };
    let changed = || Report::Noticed(Notice::Changed);
    let entered = || Report::Entered(Step::Draining);
    let (next, newest) = (node.sequence + 1, node.generation);
    let older = crate::base::ids::Generation {
        number: newest.number - 1,
        ..newest
    };
    let foreign = Refusal::ForeignReport { node: name(2) };
    assert_eq!(log.refuses(3, seen(next, newest, entered())), Some(foreign));
    let stale = Refusal::StaleReport { node: name(2) };
    let repeated = log.refuses(2, seen(node.sequence, newest, entered()));
    assert_eq!(repeated, Some(stale));
    let of_another = |generation, report| {
        let refused = log.refuses(2, seen(next, generation, report));
        matches!(refused, Some(Refusal::StaleGeneration { .. }))
    };
    assert!(of_another(newest.next(), entered()) && of_another(newest.next(), changed()));
    assert!(of_another(older, entered()) && !of_another(older, changed()));
    assert!(!of_another(newest, entered()) && !of_another(newest, changed()));
}

#[test]
fn a_step_moves_a_node_only_towards_what_it_was_told() {
    let mut log = Log::staging(3, Strategy::default());
    log.report(2, Report::Entered(Step::Draining)).unwrap();
    assert_eq!(log.stands(2), "Pending");
    assert!(matches!(log.facts[..], [Fact::StepEntered { .. }]));
    log.report(2, Report::Entered(Step::Staging)).unwrap();
    assert_eq!(log.stands(2), "Staging");
    let mut answered = taken();
    answered.answer(2, given_back(), false).unwrap();
    answered.report(2, Report::Entered(Step::Draining)).unwrap();
    assert_eq!(
        (answered.stands(2).as_str(), answered.facts.len()),
        ("Staged", 0)
    );
}

#[test]
fn an_answer_to_another_goal_is_a_failure() {
    let other = Class::VersionMismatch;
    let rejoin = Rejoin::Own;
    let back = || Answer::RolledBack { rejoin };
    let after = |mut log: Log, answer| {
        log.answer(2, answer, true).unwrap();
        log.stands(2)
    };
    let staging = || Log::staging(3, pausing());
    assert_eq!(after(taken(), Answer::Staged), format!("Failed {other}"));
    assert_eq!(after(taken(), back()), format!("Failed {other}"));
    assert_eq!(after(taken(), given_back()), "Staged");
    assert_eq!(after(taken(), Answer::StoodDown), "Staged");
    let mut log = staging();
    log.answer(2, given_back(), false).unwrap();
    assert_eq!(log.status().name(), "Failed", "nobody was begun");
    assert_eq!(log.stands(2), format!("Failed {other}"));
    let needs = format!("NeedsOperator {other}");
    assert_eq!(after(going_back(), updated()), needs);
    assert_eq!(after(going_back(), Answer::Staged), needs);
    assert_eq!(after(going_back(), given_back()), "RollingBack");
    assert_eq!(after(going_back(), Answer::StoodDown), "RollingBack");
    assert_eq!(after(going_back(), Answer::Recovered), "RollingBack");
}

#[test]
fn an_answer_is_recorded_with_what_was_said() {
    let said = |answer| {
        let mut log = taken();
        log.answer(2, answer, true).unwrap();
        let told = log.facts.into_iter().find_map(|fact| match fact {
            Fact::Answered { detail, .. } => Some(detail),
            _ => None,
        });
        told.expect("an answer")
    };
    let failed = Answer::Failed {
        step: Step::Verifying,
        class: Class::HealthGateFailed,
        detail: "no answer".to_owned(),
    };
    let class = Class::HealthGateFailed;
    let told = format!("{class} in {}: no answer", Step::Verifying);
    assert_eq!(said(failed), Some(told));
    assert_eq!(said(given_back()), Some("no begin".to_owned()));
    assert_eq!(said(Answer::StoodDown), None);
}

#[test]
fn an_answer_is_believed_on_a_healthy_database_of_the_wanted_digest_and_version() {
    let new = healthy(new());
    let spoiled = [
        Database {
            healthy: false,
            ..new.clone()
        },
        Database {
            version: Some("1.0.0".to_owned()),
            ..new.clone()
        },
        Database {
            digest: Some(old().digest),
            ..new.clone()
        },
    ];
    let after = |database| {
        let mut log = taken();
        log.node(2).database = database;
        log.answer(2, updated(), true).unwrap();
        log.stands(2)
    };
    assert_eq!(after(new), "Updated");
    for database in spoiled {
        let failed = format!("Failed {}", Class::HealthGateFailed);
        assert_eq!(after(database.clone()), failed, "{database:?}");
    }
    let rejoin = Rejoin::Own;
    let mut back = going_back();
    back.answer(2, Answer::RolledBack { rejoin }, true).unwrap();
    assert_eq!(
        back.stands(2),
        format!("NeedsOperator {}", Class::HealthGateFailed)
    );
    let mut back = going_back();
    back.node(2).database = healthy(old());
    back.answer(2, Answer::RolledBack { rejoin }, true).unwrap();
    assert_eq!(back.stands(2), "RolledBack");
}

#[test]
fn a_slot_is_freed_by_a_database_that_serves_or_that_was_never_touched() {
    let old = healthy(old());
    let sick = Database {
        healthy: false,
        ..old.clone()
    };
    let cases = [
        (old.clone(), true, false),
        (
            Database {
                drained: true,
                ..old.clone()
            },
            true,
            true,
        ),
        (
            Database {
                drained: true,
                ..old.clone()
            },
            false,
            true,
        ),
        (sick.clone(), false, false),
        (sick.clone(), true, true),
        (
            Database {
                digest: None,
                ..sick.clone()
            },
            false,
            true,
        ),
        (
            Database {
                digest: Some(Digest::of(b"new")),
                ..sick
            },
            false,
            true,
        ),
    ];
    for (database, acted, held) in cases {
        let mut log = taken();
        log.node(2).database = database.clone();
        log.answer(2, given_back(), acted).unwrap();
        assert_eq!(log.holds_slot(2), held, "{database:?}, acted: {acted}");
        // A later word of the same generation may free it still.
        log.node(2).database = old.clone();
        log.answer(2, given_back(), acted).unwrap();
        assert!(!log.holds_slot(2));
    }
}

#[test]
fn other_hands_on_a_database_pause_the_plan_once() {
    let detail = || "another file".to_owned();
    let notice = || Report::Noticed(Notice::UnknownHands { detail: detail() });
    let mut log = taken();
    log.report(3, notice()).unwrap();
    assert_eq!(log.node(3).drifted, Some(detail()));
    assert!(matches!(
        log.status(),
        PlanStatus::Paused {
            quorum_lost: false,
            ..
        }
    ));
    log.report(2, notice()).unwrap();
    assert_eq!(log.node(2).drifted, Some(detail()));
    let mut noticed = Log::rolling(3, pausing());
    noticed.plan().notice_until_run_ms = Some(9_000);
    noticed.report(3, notice()).unwrap();
    assert!(matches!(
        noticed.status(),
        PlanStatus::Paused {
            quorum_lost: true,
            ..
        }
    ));
    let mut log = taken();
    let acted = Notice::ActedIsolated { detail: detail() };
    log.report(3, Report::Noticed(acted)).unwrap();
    assert!(matches!(log.facts[..], [Fact::ActedIsolated { .. }]));
    assert_eq!(log.status(), PlanStatus::InProgress);
}

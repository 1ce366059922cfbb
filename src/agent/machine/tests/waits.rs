//! Waits that end by time: at their very millisecond, with the reason that was given.

use super::rig::{Rig, new, rollback, stage, update};
use crate::agent::machine::{Failure, FailureKind, Input, advance};
use crate::base::limits::BEGIN_WAIT;
use crate::fleet::intent::Which;
use crate::fleet::observation::Answer;
use crate::plans::progress::Step;

#[test]
fn a_try_that_waits_is_made_when_its_time_comes_and_not_before() {
    let mut rig = Rig::new();
    rig.failures = vec![("stage", Failure::new(FailureKind::Passing, "no"))];
    rig.intend(stage(Some("http://origin/db")));
    assert_eq!(rig.acts, ["stage"]);
    let retry_at_ms = rig.host.memory.retry_at_ms;
    rig.now.ms = retry_at_ms - 1;
    assert_eq!(rig.host.due_ms(rig.now.ms), Some(retry_at_ms));
    rig.tell(Input::Tick);
    assert_eq!(rig.acts.len(), 1);
    rig.now.ms = retry_at_ms;
    assert_eq!(rig.host.due_ms(rig.now.ms), None, "its time has come");
    rig.tell(Input::Tick);
    assert_eq!(rig.acts.len(), 2);
}

#[test]
fn staging_waits_half_a_minute_for_the_digest_of_what_is_installed() {
    for (waited_ms, ends) in [(29_999, false), (30_000, true)] {
        let mut rig = Rig::new();
        let mut look = rig.look();
        look.database.installed = None;
        rig.host.memory.look = Some(look);
        rig.give(stage(None));
        advance(&mut rig.host, Input::Applied(rig.applied), rig.now);
        assert_eq!(rig.host.ledger.step(), Some(Step::Staging));
        rig.now.ms += waited_ms;
        advance(&mut rig.host, Input::Tick, rig.now);
        let ended = rig.host.ledger.work.is_some_and(|work| work.is_answered());
        assert_eq!(ended, ends, "{waited_ms}");
    }
}

#[test]
fn a_begin_that_runs_out_says_what_that_begin_was_refused_for() {
    let expired = |refused: Which, unheard: Which| {
        let mut rig = Rig::new();
        rig.grants.remove(&refused);
        rig.intend(update());
        rig.pass(3_000);
        rig.grants.insert(refused);
        rig.unanswered = Some(unheard);
        let Answer::GivenBack { reason } = rig.finish() else {
            panic!("it was not given back");
        };
        reason
    };
    assert_eq!(expired(Which::First, Which::First), "gates are shut");
    let unheard = expired(Which::First, Which::Second);
    assert!(unheard.contains("no reason was given"), "{unheard}");
}

#[test]
fn a_rollback_whose_plan_ended_leaves_a_database_that_runs_and_brings_back_one_that_does_not() {
    for down in [false, true] {
        let mut rig = Rig::new();
        (rig.running, rig.installed) = (Some(new().digest), new().digest);
        rig.crash();
        rig.pass(1_000);
        rig.running = rig.running.filter(|_| !down);
        rig.applied.live = false;
        rig.intend(rollback(down));
        rig.pass(BEGIN_WAIT.0 + 5_000);
        assert_eq!(rig.asked.is_empty(), !down);
        let answered = rig.applied.answered.map(|answered| answered.answer);
        let back = matches!(answered, Some(Answer::RolledBack { .. }));
        assert_eq!((back, rig.acts.is_empty()), (down, !down));
    }
}

#[test]
fn a_released_slot_leaves_a_node_that_had_failed_as_it_is() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Failed { .. }));
    let acts = rig.acts.len();
    rig.applied.generation = rig.applied.generation.next();
    (rig.applied.intent, rig.applied.answered) = (None, None);
    rig.pass(5_000);
    assert_eq!(rig.host.ledger.newest, rig.applied.generation);
    assert_eq!((rig.acts.len(), rig.ready), (acts, false));
}

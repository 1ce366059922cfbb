//! Putting back what does not obey: so many tries, then the answer all the same, and the rest later.

use super::rig::{Rig, new, rollback, update};
use crate::agent::machine::{Failure, FailureKind, Input};
use crate::base::limits::RECONNECT_GRACE;
use crate::fleet::observation::Answer;

fn failing(name: &'static str, times: usize) -> Vec<(&'static str, Failure)> {
    vec![(name, Failure::new(FailureKind::Passing, "no")); times]
}

fn count(rig: &Rig, name: &str) -> usize {
    rig.acts.iter().filter(|act| **act == name).count()
}

/// A marked node that healed when its way back had been renamed over the install path already; what then fails.
fn healed_after_the_rename(failures: Vec<(&'static str, Failure)>) -> Rig {
    let mut rig = Rig::new();
    (rig.running, rig.installed) = (Some(new().digest), new().digest);
    rig.sick.insert(new().digest);
    rig.crash();
    rig.pass(1_000);
    rig.hold("swap");
    rig.intend(rollback(true));
    while !rig.acts.contains(&"swap") {
        rig.pass(250);
    }
    rig.sick.clear();
    rig.failures = failures;
    rig.acts.clear();
    rig.now.ms += 5;
    rig.release();
    assert_eq!(rig.finish(), Answer::Recovered);
    assert_eq!((rig.starts, rig.running), (0, Some(new().digest)));
    rig
}

#[test]
fn an_answer_does_not_wait_for_an_undrain_for_ever_and_it_is_done_later() {
    let mut rig = Rig::new();
    rig.failures = failing("undrain", 4);
    rig.failures.extend(failing("flush", 1));
    rig.intend(update());
    while rig.applied.answered.is_none() {
        assert!(count(&rig, "undrain") <= 3);
        rig.pass(250);
    }
    assert!(matches!(rig.finish(), Answer::Failed { .. }) && !rig.acted());
    assert!(rig.drained && rig.ready);
    rig.pass(2_000);
    assert_eq!(count(&rig, "undrain"), 5);
    rig.assert_clean();
}

#[test]
fn what_cannot_be_prepared_is_not_renamed_and_nothing_is_started_from_there() {
    let rig = healed_after_the_rename(failing("prepare", 3));
    assert_eq!(
        rig.acts,
        [
            "prepare",
            "prepare",
            "prepare",
            "remove_prepared",
            "undrain"
        ]
    );
    assert!(rig.ready && !rig.drained && rig.beside.is_none());
}

#[test]
fn a_supervisor_that_cannot_be_told_does_not_keep_the_answer_back() {
    let rig = healed_after_the_rename(failing("start", 9));
    assert_eq!(count(&rig, "start"), 3);
    rig.assert_clean();
}

#[test]
fn a_sick_node_takes_no_traffic_when_its_plan_has_ended() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Failed { .. }));
    rig.applied.live = false;
    let acts = rig.acts.len();
    rig.pass(60_000);
    assert_eq!((rig.acts.len(), rig.ready), (acts, false));
    rig.sick.clear();
    rig.pass(1_000);
    rig.assert_clean();
}

#[test]
fn a_node_that_failed_and_healed_waits_for_its_rollback_before_it_takes_traffic() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Failed { .. }));
    rig.sick.clear();
    rig.pass(250);
    let healthy_since_ms = rig.host.memory.healthy_since_ms.expect("it healed");
    rig.now.ms = healthy_since_ms + RECONNECT_GRACE.0 - 1;
    rig.tell(Input::Tick);
    assert!(!rig.acts.contains(&"undrain") && !rig.ready);
    rig.now.ms += 1;
    rig.tell(Input::Tick);
    assert!(rig.acts.contains(&"undrain"));
    rig.pass(250);
    rig.assert_clean();
}

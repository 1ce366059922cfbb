//! A host without quorum: it finishes what it began, undrains, starts what is down, and restores once. And what
//! other hands do is noticed.

use super::rig::{Rig, new, old, stage, update};
use crate::agent::machine::{Alone, Failure, FailureKind, Input, Process};
use crate::base::digest::Digest;
use crate::fleet::intent::{Goal, Which};
use crate::fleet::observation::{Answer, Notice};
use crate::plans::progress::Step;

#[test]
fn alone_before_the_boundary_the_node_takes_traffic_again() {
    let mut rig = Rig::new();
    rig.grants.remove(&Which::Second);
    rig.intend(update());
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    rig.contact = false;
    rig.pass(12_000);
    rig.assert_clean();
    rig.contact = true;
    assert!(matches!(rig.finish(), Answer::GivenBack { .. }));
}

#[test]
fn alone_past_the_boundary_the_step_is_finished() {
    let mut rig = Rig::new();
    rig.failures = vec![("start", Failure::new(FailureKind::Passing, "no"))];
    rig.intend(update());
    while !rig.acts.contains(&"stop") {
        rig.pass(250);
    }
    rig.contact = false;
    rig.pass(30_000);
    assert_eq!((rig.starts, rig.running), (1, Some(new().digest)));
    rig.assert_clean();
    rig.contact = true;
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
}

#[test]
fn alone_with_a_binary_that_does_not_serve_the_way_back_is_restored_once() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    while !rig.acts.contains(&"stop") {
        rig.pass(250);
    }
    rig.contact = false;
    rig.pass(60_000);
    assert_eq!((rig.starts, rig.running), (2, Some(old().digest)));
    rig.sick.insert(old().digest);
    rig.pass(60_000);
    assert_eq!(rig.starts, 2, "once");
    rig.sick.remove(&old().digest);
    rig.pass(1_000);
    rig.contact = true;
    assert!(matches!(rig.finish(), Answer::Failed { .. }));
    rig.pass(20_000);
    assert!(matches!(
        rig.notices().as_slice(),
        [Notice::ActedIsolated { .. }]
    ));
    rig.assert_clean();
}

#[test]
fn alone_a_database_that_heals_before_it_is_stopped_is_not_restored() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    while !rig.acts.contains(&"stop") {
        rig.pass(250);
    }
    rig.contact = false;
    rig.heals_at = Some("prepare");
    rig.pass(60_000);
    assert_eq!((rig.starts, rig.running), (1, Some(new().digest)));
}

#[test]
fn alone_with_its_database_down_it_starts_what_is_installed() {
    let mut rig = Rig::new();
    rig.contact = false;
    rig.pass(15_000);
    rig.running = None;
    rig.pass(1_000);
    assert_eq!((rig.starts, rig.running), (1, Some(old().digest)));
    rig.contact = true;
    rig.pass(5_000);
    assert!(matches!(
        rig.notices().as_slice(),
        [Notice::ActedIsolated { .. }]
    ));
    assert_eq!(rig.host.ledger.alone, None);
}

#[test]
fn with_contact_a_database_that_is_down_is_not_started_by_itself() {
    let mut rig = Rig::new();
    rig.running = None;
    rig.pass(60_000);
    assert_eq!(rig.starts, 0);
}

#[test]
fn alone_it_never_starts_a_file_that_it_does_not_know() {
    let mut rig = Rig::new();
    rig.contact = false;
    rig.pass(15_000);
    rig.installed = Digest::of(b"somebody else's");
    rig.running = None;
    rig.pass(60_000);
    assert!(rig.acts.is_empty());
}

#[test]
fn unknown_hands_are_noticed_once_and_our_own_are_not() {
    let mut rig = Rig::new();
    rig.installed = Digest::of(b"somebody else's");
    rig.pass(5_000);
    assert!(matches!(
        rig.notices().as_slice(),
        [Notice::UnknownHands { .. }]
    ));
    let mut rig = Rig::new();
    rig.pid = 77;
    rig.pass(5_000);
    assert_eq!(
        rig.notices(),
        Vec::<&Notice>::new(),
        "our supervisor restarted it"
    );
    rig.kept = false;
    rig.pid = 78;
    rig.pass(5_000);
    assert_eq!(rig.notices().len(), 1);
    // A supervisor starts what is installed, and nothing else.
    let mut rig = Rig::new();
    rig.running = Some(Digest::of(b"somebody else's"));
    rig.pass(5_000);
    assert_eq!(rig.notices().len(), 1);
    let is = |pid| Process {
        pid,
        started: 1,
        kept: true,
    };
    assert!(is(1).is(&is(1)) && !is(1).is(&is(2)));
}

#[test]
fn a_healthy_database_is_left_as_it_is() {
    let mut rig = Rig::new();
    rig.applied.live = false;
    rig.intend(stage(None));
    rig.pass(60_000);
    assert!(rig.acts.is_empty());
    rig.intend(Goal::StandDown);
    assert_eq!(rig.finish(), Answer::StoodDown);
}

#[test]
fn alone_a_node_kept_from_traffic_for_work_that_is_not_begun_is_given_back() {
    let mut rig = Rig::new();
    rig.intend(update());
    while rig.ready {
        rig.pass(250);
    }
    assert!(!rig.drained, "its adapter is told after a while");
    rig.grants.clear();
    rig.intend(update());
    rig.contact = false;
    rig.pass(11_000);
    rig.assert_clean();
    rig.contact = true;
    assert!(matches!(rig.finish(), Answer::GivenBack { .. }));
}

#[test]
fn alone_a_database_that_runs_is_left_to_run_however_sick() {
    let mut rig = Rig::new();
    rig.contact = false;
    rig.sick.insert(old().digest);
    rig.pass(60_000);
    assert_eq!(
        (rig.acts.as_slice(), rig.host.ledger.alone),
        ([].as_slice(), None)
    );
}

/// An updated node whose binary stops serving without a quorum: it is started, and has the time of its plan.
#[test]
fn alone_what_was_started_has_the_time_of_its_plan_to_serve_before_the_way_back_is_taken() {
    let mut rig = Rig::new();
    rig.intend(update());
    rig.finish();
    rig.contact = false;
    rig.pass(12_000);
    rig.sick.insert(new().digest);
    (rig.running, rig.acts) = (None, Vec::new());
    rig.pass(250);
    assert_eq!(rig.acts, ["start"]);
    let Some(Alone::Started { at_ms }) = rig.host.ledger.alone else {
        panic!("{:?}", rig.host.ledger.alone);
    };
    let deadlines = Rig::deadlines();
    rig.now.ms = at_ms + deadlines.start.0 + deadlines.verify.0 - 1;
    rig.tell(Input::Look(rig.look()));
    assert_eq!(rig.acts, ["start"]);
    rig.now.ms += 1;
    rig.tell(Input::Look(rig.look()));
    rig.pass(1_000);
    assert_eq!(rig.acts, ["start", "prepare", "stop", "swap", "start"]);
    assert_eq!(rig.running, Some(old().digest));
}

#[test]
fn alone_it_starts_what_ran_here_and_what_was_good_here() {
    for (ran, lies) in [(new(), new()), (new(), old())] {
        let mut rig = Rig::new();
        rig.sick.insert(new().digest);
        (rig.running, rig.installed) = (Some(ran.digest), lies.digest);
        rig.contact = false;
        rig.pass(15_000);
        assert_eq!(rig.host.ledger.good, Some(old()));
        rig.running = None;
        rig.pass(1_000);
        assert_eq!((rig.starts, rig.running), (1, Some(lies.digest)));
    }
}

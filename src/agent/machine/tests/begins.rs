//! Begins that are not granted, lapse, or come too late; generations that replace one another.

use super::rig::{Rig, new, old, rollback, stage, update};
use crate::agent::machine::{Failure, FailureKind, Input};
use crate::base::limits::{BEGIN_LEASE, BEGIN_WAIT};
use crate::fleet::intent::{Goal, Which};
use crate::fleet::observation::{Answer, Rejoin};
use crate::plans::progress::Step;

#[test]
fn a_begin_that_is_not_granted_gives_the_node_back() {
    for which in [Which::First, Which::Second] {
        let mut rig = Rig::new();
        rig.grants.remove(&which);
        rig.intend(update());
        let since = rig.now.ms;
        let answer = rig.finish();
        assert!(
            matches!(&answer, Answer::GivenBack { reason } if reason == "gates are shut"),
            "{answer:?}"
        );
        let waited = rig.now.ms - since;
        assert!((BEGIN_WAIT.0..BEGIN_WAIT.0 + 5_000).contains(&waited));
        assert!(!rig.acted() && rig.starts == 0 && !rig.acts.contains(&"swap"));
        assert_eq!(rig.acts.is_empty(), which == Which::First);
        rig.assert_clean();
        let attempts: Vec<_> = rig.asked.iter().map(|begin| begin.attempt).collect();
        assert!(attempts.windows(2).all(|pair| pair[0] < pair[1]));
        // Granted after all: that generation is over for this host.
        rig.grants = [Which::First, Which::Second].into();
        let acts = rig.acts.len();
        rig.pass(10_000);
        assert_eq!((rig.acts.len(), rig.starts), (acts, 0));
    }
}

#[test]
fn a_freeze_longer_than_the_lease_makes_the_begin_worthless() {
    let mut rig = Rig::new();
    rig.grants.remove(&Which::Second);
    rig.intend(update());
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    // The grant is in the log, and the host sleeps before it sees it.
    let late = rig.asked.last().cloned().expect("it asked");
    assert_eq!(late.which, Which::Second);
    rig.now.ms += BEGIN_LEASE.0 + 1;
    rig.applied.open.push(late.clone());
    rig.tell(Input::Applied(rig.applied.clone()));
    rig.pass(500);
    assert!(!rig.acts.contains(&"swap"));
    let newest = rig.asked.last().expect("it asked again");
    assert!(newest.attempt > late.attempt);
    rig.grants.insert(Which::Second);
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
}

#[test]
fn a_freeze_between_the_grant_and_the_rename_is_noticed_at_the_rename() {
    let mut rig = Rig::new();
    rig.freeze_ms_before = Some(("swap", BEGIN_LEASE.0 + 1));
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
    let swaps = rig.acts.iter().filter(|act| **act == "swap").count();
    let seconds = rig
        .asked
        .iter()
        .filter(|begin| begin.which == Which::Second)
        .count();
    assert_eq!((swaps, seconds), (2, 2), "asked for again, then used");
}

#[test]
fn an_older_attempt_counts_for_nothing() {
    let mut rig = Rig::new();
    rig.grants.clear();
    rig.intend(update());
    rig.pass(3_000);
    let older = rig.asked.first().cloned().expect("it asked");
    rig.applied.open.push(older);
    rig.pass(500);
    assert_eq!(rig.acts, Vec::<&str>::new());
}

#[test]
fn a_stand_down_before_the_boundary_puts_the_node_back() {
    let mut rig = Rig::new();
    rig.grants.remove(&Which::Second);
    rig.intend(update());
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    assert!(rig.beside.is_some() && rig.drained && !rig.ready);
    rig.intend(Goal::StandDown);
    assert_eq!(rig.finish(), Answer::StoodDown);
    assert!(!rig.acted());
    rig.assert_clean();
}

#[test]
fn past_the_boundary_only_a_rollback_replaces_the_work() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    while !rig.entered().contains(&Step::Verifying) {
        rig.pass(250);
    }
    let first = rig.applied.generation;
    rig.intend(Goal::StandDown);
    rig.pass(1_000);
    assert_eq!(rig.host.ledger.newest, first, "the work is finished first");
    rig.intend(rollback(true));
    let rejoin = Rejoin::Own;
    assert_eq!(rig.finish(), Answer::RolledBack { rejoin });
    assert_eq!(rig.running, Some(old().digest));
    rig.assert_clean();
}

#[test]
fn a_lower_generation_is_refused() {
    let mut rig = Rig::new();
    rig.intend(stage(None));
    rig.finish();
    let applied = rig.applied.clone();
    rig.intend(Goal::StandDown);
    rig.finish();
    let newest = rig.host.ledger.newest;
    rig.applied.generation = applied.generation;
    rig.applied.intent = applied.intent;
    rig.applied.answered = None;
    let acts = rig.acts.len();
    rig.pass(5_000);
    assert_eq!((rig.host.ledger.newest, rig.acts.len()), (newest, acts));
}

#[test]
fn a_take_whose_plan_ended_meanwhile_is_left_alone() {
    let mut rig = Rig::new();
    rig.applied.live = false;
    rig.intend(update());
    rig.pass(60_000);
    assert!(rig.asked.is_empty() && rig.acts.is_empty());
    rig.applied.live = true;
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
}

#[test]
fn what_could_not_be_removed_while_putting_back_is_removed_later() {
    let mut rig = Rig::new();
    rig.grants.remove(&Which::Second);
    let failure = Failure::new(FailureKind::Passing, "no");
    rig.failures = vec![("remove_prepared", failure); 4];
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::GivenBack { .. }));
    assert!(rig.beside.is_some(), "the answer does not wait for it");
    rig.pass(5_000);
    rig.assert_clean();
}

#[test]
fn a_released_slot_ends_the_work_without_an_answer() {
    let mut rig = Rig::new();
    rig.grants.remove(&Which::Second);
    rig.intend(update());
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    rig.applied.generation = rig.applied.generation.next();
    rig.applied.intent = None;
    rig.pass(2_000);
    assert_eq!(rig.applied.answered, None);
    rig.assert_clean();
}

#[test]
fn a_marked_rollback_of_a_node_that_healed_does_nothing() {
    let mut rig = Rig::new();
    (rig.running, rig.installed) = (Some(new().digest), new().digest);
    rig.crash();
    rig.pass(1_000);
    rig.sick.insert(new().digest);
    rig.pass(1_000);
    // Healed before it was drained.
    let mut early = Rig::new();
    (early.running, early.installed) = (Some(new().digest), new().digest);
    early.crash();
    early.pass(1_000);
    early.intend(rollback(true));
    assert_eq!(early.finish(), Answer::Recovered);
    assert!(!early.acted() && early.acts.is_empty());
    // Healed while it waited for its second begin.
    rig.grants.remove(&Which::Second);
    rig.intend(rollback(true));
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    rig.sick.clear();
    rig.grants.insert(Which::Second);
    assert_eq!(rig.finish(), Answer::Recovered);
    assert!(!rig.acted() && rig.starts == 0);
    rig.assert_clean();
}

#[test]
fn a_marked_node_that_heals_between_rename_and_stop_keeps_its_binary() {
    let mut rig = Rig::new();
    (rig.running, rig.installed) = (Some(new().digest), new().digest);
    rig.sick.insert(new().digest);
    rig.crash();
    rig.pass(1_000);
    rig.heals_at = Some("swap");
    rig.intend(rollback(true));
    assert_eq!(rig.finish(), Answer::Recovered);
    assert_eq!((rig.starts, rig.running), (0, Some(new().digest)));
    assert!(rig.acts.contains(&"start"), "it is wanted up");
    rig.assert_clean();
}

/// Found by seed 301112: it answered what it had found before, with a sick database in the same report, and its rollback
/// was taken for one that failed.
#[test]
fn a_node_that_falls_ill_while_it_is_put_back_is_given_back() {
    let mut rig = Rig::new();
    (rig.running, rig.installed) = (Some(new().digest), new().digest);
    rig.sick.insert(new().digest);
    rig.crash();
    rig.pass(1_000);
    rig.grants.remove(&Which::Second);
    rig.intend(rollback(true));
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    rig.sick.clear();
    rig.hold("remove_prepared");
    rig.grants.insert(Which::Second);
    while rig.beside.is_some() && !rig.acts.contains(&"remove_prepared") {
        rig.pass(250);
    }
    rig.sick.insert(new().digest);
    rig.release();
    assert!(matches!(rig.finish(), Answer::GivenBack { .. }));
    assert!(!rig.acted() && rig.starts == 0);
    rig.assert_clean();
}

#[test]
fn a_database_that_is_down_is_neither_drained_nor_flushed() {
    let mut rig = Rig::new();
    rig.running = None;
    rig.installed = new().digest;
    rig.crash();
    rig.intend(rollback(true));
    assert!(matches!(rig.finish(), Answer::RolledBack { .. }));
    assert_eq!(rig.acts, ["prepare", "swap", "stop", "start"]);
    assert_eq!(rig.running, Some(old().digest));
}

#[test]
fn a_database_that_its_supervisor_starts_unseen_before_the_rename_is_stopped() {
    let mut rig = Rig::new();
    rig.running = None;
    rig.crash();
    rig.revives_before = Some("swap");
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
    assert_eq!((rig.starts, rig.running), (1, Some(new().digest)));
    rig.assert_clean();
}

#[test]
fn an_act_that_only_waits_is_cancelled_once_when_its_generation_is_over() {
    let mut rig = Rig::new();
    rig.hold("stage");
    rig.intend(stage(Some("http://origin/db")));
    rig.pass(12_000);
    assert!(rig.cancelled.is_empty());
    rig.intend(stage(Some("http://origin/db")));
    rig.pass(1_000);
    assert_eq!(rig.cancelled.len(), 1);
    rig.release();
    assert_eq!(rig.finish(), Answer::Staged);
    // What changes the database is waited for.
    let mut rig = Rig::new();
    rig.hold("flush");
    rig.intend(update());
    rig.pass(10_000);
    rig.intend(Goal::StandDown);
    rig.pass(1_000);
    assert_eq!((rig.acts.last(), rig.cancelled.len()), (Some(&"flush"), 0));
}

#[test]
fn a_drain_is_not_waited_for_without_a_quorum() {
    let mut rig = Rig::new();
    rig.hold("wait_drained");
    rig.intend(update());
    rig.pass(15_000);
    assert_eq!(
        (rig.acts.last(), rig.cancelled.len()),
        (Some(&"wait_drained"), 0)
    );
    rig.contact = false;
    rig.pass(15_000);
    assert_eq!(rig.cancelled.len(), 1);
    let mut rig = Rig::new();
    rig.hold("stage");
    rig.intend(stage(Some("http://origin/db")));
    rig.contact = false;
    rig.pass(15_000);
    assert!(rig.cancelled.is_empty(), "a download may go on");
}

//! A daemon that dies before or after any act goes on with the same step, and no step is done twice with
//! effect.

use super::rig::{Dies, Rig, new, old, rollback, stage, update};
use crate::agent::machine::Act;
use crate::fleet::intent::Which;
use crate::fleet::observation::{Answer, Notice};
use crate::plans::progress::Step;

const ACTS: [&str; 9] = [
    "drain",
    "wait_drained",
    "flush",
    "back_up",
    "prepare",
    "swap",
    "stop",
    "ask_peers",
    "start",
];

#[test]
fn a_daemon_that_dies_at_any_act_goes_on() {
    for act in ACTS {
        for dies in [Dies::Before, Dies::After] {
            let mut rig = Rig::new();
            rig.dies = Some((act, dies));
            rig.intend(update());
            let answer = rig.finish();
            assert!(
                matches!(answer, Answer::Updated { .. }),
                "{act} {dies:?}: {answer:?}"
            );
            assert_eq!(rig.dies, None, "{act} was reached");
            assert_eq!(rig.starts, 1, "{act} {dies:?}");
            assert_eq!(rig.running, Some(new().digest));
            assert_eq!(rig.notices(), Vec::<&Notice>::new(), "{act} {dies:?}");
            assert_eq!(rig.entered(), Step::TAKEN, "{act} {dies:?}");
            rig.assert_clean();
        }
    }
}

#[test]
fn a_daemon_that_dies_while_putting_back_puts_back() {
    for act in ["remove_prepared", "undrain"] {
        for dies in [Dies::Before, Dies::After] {
            let mut rig = Rig::new();
            rig.grants.remove(&Which::Second);
            rig.dies = Some((act, dies));
            rig.intend(update());
            let answer = rig.finish();
            assert!(matches!(answer, Answer::GivenBack { .. }), "{answer:?}");
            assert_eq!(rig.dies, None, "{act} was reached");
            rig.assert_clean();
        }
    }
}

#[test]
fn a_daemon_that_dies_in_a_rollback_goes_on() {
    for act in ["prepare", "swap", "stop", "start", "undrain"] {
        for dies in [Dies::Before, Dies::After] {
            let mut rig = Rig::new();
            rig.intend(update());
            rig.finish();
            rig.starts = 0;
            rig.dies = Some((act, dies));
            rig.intend(rollback(false));
            let answer = rig.finish();
            assert!(matches!(answer, Answer::RolledBack { .. }), "{answer:?}");
            assert_eq!(rig.dies, None, "{act} was reached");
            assert_eq!((rig.starts, rig.running), (1, Some(old().digest)), "{act}");
            rig.assert_clean();
        }
    }
}

#[test]
fn a_daemon_that_restarts_at_every_moment_still_ends() {
    let mut rig = Rig::new();
    rig.intend(update());
    for _ in 0..200 {
        if rig.applied.answered.is_some() {
            break;
        }
        rig.crash();
        rig.pass(4_000);
    }
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
    assert_eq!(rig.starts, 1);
    rig.assert_clean();
}

#[test]
fn restarts_beside_a_live_database_touch_nothing() {
    let mut rig = Rig::new();
    for _ in 0..20 {
        rig.crash();
        rig.pass(1_000);
    }
    assert_eq!((rig.pid, rig.acts.len()), (1, 0));
    assert_eq!(rig.notices(), Vec::<&Notice>::new());
}

#[test]
fn a_reboot_ends_every_lease() {
    let mut rig = Rig::new();
    rig.grants.remove(&Which::Second);
    rig.intend(update());
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    // A moment after it asked, so that the lease alone could keep it from acting.
    let asked = rig.asked.len();
    while rig.asked.len() == asked {
        rig.pass(250);
    }
    let granted = rig.asked.last().cloned().expect("it asked");
    // Another boot: its clock may well read what it read when the begin was sent.
    rig.now.boot = crate::base::digest::Digest::of(b"another boot");
    rig.applied.open.push(granted.clone());
    rig.crash();
    rig.pass(500);
    assert!(!rig.acts.contains(&"swap"));
    assert!(
        rig.asked
            .last()
            .is_some_and(|ask| ask.attempt > granted.attempt)
    );
}

#[test]
fn a_report_that_is_lost_is_said_again_and_one_that_is_applied_is_not() {
    let mut rig = Rig::new();
    rig.contact = false;
    rig.intend(stage(None));
    rig.pass(3_000);
    assert!(!rig.host.ledger.outbox.is_empty());
    rig.contact = true;
    assert_eq!(rig.finish(), Answer::Staged);
    rig.pass(2_000);
    assert!(rig.host.ledger.outbox.is_empty());
    let answers = rig.reports.len();
    rig.pass(5_000);
    assert_eq!(rig.reports.len(), answers);
}

#[test]
fn nothing_begins_while_an_older_act_is_in_flight() {
    let mut rig = Rig::new();
    let act = Act::Flush {
        timeout: Rig::deadlines().flush,
    };
    rig.hold(act.name());
    rig.intend(update());
    rig.pass(10_000);
    assert_eq!(rig.acts.last(), Some(&"flush"));
    rig.intend(rollback(false));
    rig.pass(10_000);
    assert_eq!(
        rig.acts.last(),
        Some(&"flush"),
        "the older one has not ended"
    );
    rig.release();
    assert!(matches!(rig.finish(), Answer::RolledBack { .. }));
    assert_eq!(rig.starts, 0);
    rig.assert_clean();
}

//! What counts across the restart, and whether there is one: the file that lies there already, the file that other
//! hands moved, the looks at the old process.

use super::rig::{Rig, new, old, update};
use crate::agent::machine::{Failure, FailureKind};
use crate::base::failure::Class;
use crate::fleet::intent::Which;
use crate::fleet::observation::Answer;
use crate::plans::progress::Step;

#[test]
fn health_of_the_old_process_counts_for_nothing_after_the_restart() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.hold("stop");
    rig.intend(update());
    while !rig.acts.contains(&"stop") {
        rig.pass(250);
    }
    // It stops slowly, and serves until the end.
    rig.pass(3_000);
    assert!(rig.host.memory.good_looks > Rig::deadlines().health_successes);
    rig.release();
    let answer = rig.finish();
    let class = Class::HealthGateFailed;
    assert!(
        matches!(&answer, Answer::Failed { step: Step::Verifying, class: of, .. } if *of == class),
        "{answer:?}"
    );
}

#[test]
fn what_is_installed_already_is_neither_prepared_nor_renamed() {
    let mut rig = Rig::new();
    rig.installed = new().digest;
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
    assert!(!rig.acts.contains(&"prepare") && !rig.acts.contains(&"swap"));
    assert_eq!((rig.starts, rig.running), (1, Some(new().digest)));
    rig.assert_clean();
}

#[test]
fn a_file_that_other_hands_took_away_before_the_rename_costs_no_restart() {
    let mut rig = Rig::new();
    rig.installed = new().digest;
    rig.grants.remove(&Which::Second);
    rig.failures = vec![("swap", Failure::new(FailureKind::Lasting, "not prepared"))];
    rig.intend(update());
    while !rig.entered().contains(&Step::Swapping) {
        rig.pass(250);
    }
    rig.installed = old().digest;
    rig.pass(250);
    rig.grants.insert(Which::Second);
    let answer = rig.finish();
    let at = Step::Swapping;
    assert!(
        matches!(&answer, Answer::Failed { step, .. } if *step == at),
        "{answer:?}"
    );
    assert!(!rig.acts.contains(&"stop"));
    assert_eq!(rig.running, Some(old().digest));
}

#[test]
fn a_stop_that_the_daemon_did_not_live_to_see_done_is_not_done_again_to_the_new_process() {
    let count = |rig: &Rig, name| rig.acts.iter().filter(|act| **act == name).count();
    for (runs, stops) in [(new(), 1), (old(), 2)] {
        let mut rig = Rig::new();
        rig.hold("stop");
        rig.intend(update());
        while !rig.acts.contains(&"stop") {
            rig.pass(250);
        }
        // The old process ended, a supervisor started another, and this daemon was away.
        (rig.running, rig.pid) = (Some(runs.digest), 2);
        rig.crash();
        assert!(matches!(rig.finish(), Answer::Updated { .. }));
        assert_eq!(count(&rig, "stop"), stops, "{}", runs.version);
        assert_eq!(rig.running, Some(new().digest));
        rig.assert_clean();
    }
}

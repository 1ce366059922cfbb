//! Rolls that go well, and each step that fails.

use super::rig::{Rig, new, old, rollback, stage, update};
use crate::agent::machine::{Failure, FailureKind, Input};
use crate::base::failure::Class;
use crate::fleet::intent::Goal;
use crate::fleet::observation::{Answer, Notice, Rejoin, Report};
use crate::plans::progress::Step;

fn failed(step: Step, class: Class) -> impl Fn(&Answer) -> bool {
    move |answer| matches!(answer, Answer::Failed { step: at, class: of, .. } if *at == step && *of == class)
}

#[test]
fn an_update_goes_through_every_step_once() {
    let mut rig = Rig::new();
    rig.intend(update());
    while !rig.entered().contains(&Step::Soaking) {
        rig.pass(250);
    }
    assert!(rig.ready && !rig.host.ledger.drained, "it soaks in traffic");
    let soaks = rig.acts.len();
    let peers = Rejoin::Peers;
    assert_eq!(rig.finish(), Answer::Updated { rejoin: peers });
    assert_eq!(rig.entered(), Step::TAKEN);
    assert_eq!((rig.starts, rig.running), (1, Some(new().digest)));
    assert!(rig.acted());
    assert_eq!(rig.notices(), Vec::<&Notice>::new());
    let acts = [
        "drain",
        "wait_drained",
        "flush",
        "back_up",
        "prepare",
        "swap",
        "stop",
        "ask_peers",
        "start",
        "ask_peers",
        "undrain",
    ];
    assert_eq!((rig.acts.as_slice(), soaks), (acts.as_slice(), acts.len()));
    rig.assert_clean();
}

#[test]
fn a_wait_that_ends_by_time_says_when() {
    let mut rig = Rig::new();
    let deadlines = Rig::deadlines();
    assert_eq!(rig.host.due_ms(rig.now.ms), None, "nothing is in hand");
    rig.intend(update());
    let mut waits = Vec::new();
    while rig.applied.answered.is_none() {
        let (step, now_ms) = (rig.host.ledger.step(), rig.now.ms);
        if let Some(due_ms) = rig.host.due_ms(now_ms) {
            assert!(due_ms > now_ms, "a time that has passed wakes nobody");
            let wait = (step, due_ms - now_ms);
            if waits.last().is_none_or(|(last, _)| *last != step) {
                waits.push(wait);
            }
            // Told the time at that moment, and not before, it goes on.
            rig.now.ms = due_ms - 1;
            rig.tell(Input::Tick);
            assert_eq!(rig.host.due_ms(due_ms - 1), Some(due_ms), "{step:?}");
            rig.now.ms = due_ms;
            let still = (step, rig.acts.len());
            rig.tell(Input::Look(rig.look()));
            assert_ne!((rig.host.ledger.step(), rig.acts.len()), still);
        }
        rig.pass(250);
    }
    let waited = |step| {
        waits
            .iter()
            .find(|(at, _)| *at == Some(step))
            .map(|(_, ms)| *ms)
    };
    assert!(waited(Step::Draining).is_some_and(|ms| ms <= deadlines.drain_grace.0));
    assert!(waited(Step::Rejoining).is_some_and(|ms| ms <= deadlines.ready_settle.0));
    assert!(waited(Step::Soaking).is_some_and(|ms| ms <= deadlines.soak.0));
}

#[test]
fn a_node_on_trial_is_looked_at_as_its_plan_says() {
    let mut rig = Rig::new();
    rig.intend(update());
    let deadlines = Rig::deadlines();
    let trial = (deadlines.health_interval, deadlines.health_timeout);
    let mut paces = Vec::new();
    while rig.applied.answered.is_none() {
        let proving = rig.host.ledger.step() >= Some(Step::Verifying);
        paces.push((proving, rig.host.look_pace()));
        rig.pass(250);
    }
    let (on_trial, before): (Vec<_>, Vec<_>) = paces.iter().partition(|(proving, _)| *proving);
    assert!(!before.is_empty() && before.iter().all(|(_, (every, _))| *every != trial.0));
    assert!(!on_trial.is_empty() && on_trial.iter().all(|(_, pace)| *pace == trial));
}

#[test]
fn staging_reports_what_the_node_goes_back_to() {
    let mut rig = Rig::new();
    rig.intend(stage(Some("http://origin/db")));
    assert_eq!(rig.finish(), Answer::Staged);
    let rollback_target = old();
    assert!(rig.reports.contains(&Report::Preflight { rollback_target }));
    assert_eq!(rig.acts, ["stage"]);
    rig.assert_clean();
}

#[test]
fn a_node_that_runs_the_target_needs_nothing() {
    let mut rig = Rig::new();
    (rig.running, rig.installed) = (Some(new().digest), new().digest);
    rig.crash();
    rig.intend(stage(None));
    assert_eq!(rig.finish(), Answer::AlreadyThere);
    assert_eq!(rig.acts, Vec::<&str>::new());
}

#[test]
fn staging_is_tried_again_but_not_for_ever_and_not_for_what_lasts() {
    let cases = [
        (FailureKind::Passing, 6, Class::StagingFailed, 6),
        (FailureKind::Lasting, 1, Class::StagingFailed, 1),
        (FailureKind::DiskFull, 1, Class::DiskFull, 1),
    ];
    for (kind, times, class, tries) in cases {
        let mut rig = Rig::new();
        rig.failures = vec![("stage", Failure::new(kind, "no")); times];
        rig.intend(stage(Some("http://origin/db")));
        let answer = rig.finish();
        assert!(failed(Step::Staging, class)(&answer), "{answer:?}");
        assert_eq!(rig.acts.len(), tries, "{kind:?}");
        assert!(!rig.acted());
    }
    let mut rig = Rig::new();
    rig.failures = vec![("stage", Failure::new(FailureKind::Passing, "no")); 5];
    rig.intend(stage(Some("http://origin/db")));
    assert_eq!(rig.finish(), Answer::Staged);
}

#[test]
fn drift_is_refused_at_staging() {
    let mut rig = Rig::new();
    rig.installed = new().digest;
    rig.pass(500);
    rig.intend(stage(None));
    let answer = rig.finish();
    assert!(
        failed(Step::Staging, Class::StagingFailed)(&answer),
        "{answer:?}"
    );
    assert_eq!(rig.notices().len(), 1, "and it was somebody else's doing");
    assert_eq!(rig.acts, Vec::<&str>::new());
}

#[test]
fn a_step_that_fails_before_the_boundary_puts_the_node_back() {
    let cases = [
        ("drain", Step::Draining, Class::DrainFailed),
        ("wait_drained", Step::Draining, Class::DrainFailed),
        ("flush", Step::Flushing, Class::FlushFailed),
        ("back_up", Step::BackingUp, Class::ApplyFailed),
        ("prepare", Step::BackingUp, Class::ApplyFailed),
    ];
    for (act, step, class) in cases {
        let mut rig = Rig::new();
        rig.failures = vec![(act, Failure::new(FailureKind::Passing, "no"))];
        rig.intend(update());
        let answer = rig.finish();
        assert!(failed(step, class)(&answer), "{act}: {answer:?}");
        assert!(!rig.acted(), "{act}");
        assert_eq!((rig.starts, rig.running), (0, Some(old().digest)));
        rig.assert_clean();
    }
}

#[test]
fn a_step_that_fails_past_the_boundary_leaves_things_for_a_rollback() {
    let cases = [
        ("swap", 1, Step::Swapping, Class::ApplyFailed),
        ("stop", 1, Step::Restarting, Class::LauncherActivationFailed),
        (
            "start",
            2,
            Step::Restarting,
            Class::LauncherActivationFailed,
        ),
    ];
    for (act, times, step, class) in cases {
        let mut rig = Rig::new();
        rig.failures = vec![(act, Failure::new(FailureKind::Passing, "no")); times];
        rig.intend(update());
        let answer = rig.finish();
        assert!(failed(step, class)(&answer), "{act}: {answer:?}");
        assert!(rig.acted(), "{act}");
        rig.intend(rollback(rig.running.is_none()));
        assert_eq!(
            rig.finish(),
            Answer::RolledBack {
                rejoin: Rejoin::Own
            },
            "{act}"
        );
        assert_eq!(rig.running, Some(old().digest), "{act}");
        rig.assert_clean();
    }
}

#[test]
fn a_start_is_tried_once_more() {
    let mut rig = Rig::new();
    rig.failures = vec![("start", Failure::new(FailureKind::Passing, "no"))];
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
}

#[test]
fn a_drain_that_takes_too_long_is_only_as_bad_as_the_strategy_says() {
    let mut rig = Rig::new();
    rig.failures = vec![("wait_drained", Failure::new(FailureKind::TimedOut, "no"))];
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
}

#[test]
fn a_sick_binary_fails_the_health_gate_and_goes_back() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    let answer = rig.finish();
    assert!(
        failed(Step::Verifying, Class::HealthGateFailed)(&answer),
        "{answer:?}"
    );
    assert!(!rig.ready, "a sick node takes no traffic");
    rig.intend(rollback(true));
    assert!(matches!(rig.finish(), Answer::RolledBack { .. }));
    assert_eq!((rig.starts, rig.running), (2, Some(old().digest)));
    rig.assert_clean();
}

#[test]
fn health_without_the_expected_version_is_no_health() {
    let mut rig = Rig::new();
    let mut target = new();
    target.version = "1.2.0".to_owned();
    rig.intend(Goal::Update {
        target,
        rollback_target: old(),
    });
    let answer = rig.finish();
    assert!(
        failed(Step::Verifying, Class::VersionMismatch)(&answer),
        "{answer:?}"
    );
}

#[test]
fn without_a_peer_that_sees_it_again_the_node_does_not_rejoin() {
    let mut rig = Rig::new();
    rig.unseen = true;
    rig.intend(update());
    let answer = rig.finish();
    assert!(
        failed(Step::Rejoining, Class::RejoinFailed)(&answer),
        "{answer:?}"
    );
    assert!(rig.acted() && !rig.ready);
}

#[test]
fn with_no_other_healthy_node_its_own_health_is_the_evidence() {
    let mut rig = Rig::new();
    rig.peers.clear();
    rig.intend(update());
    let rejoin = Rejoin::Own;
    assert_eq!(rig.finish(), Answer::Updated { rejoin });
}

#[test]
fn a_blip_while_soaking_restarts_the_timer_and_a_longer_one_fails() {
    for (sick_ms, fails) in [(1_000, false), (5_000, true)] {
        let mut rig = Rig::new();
        rig.intend(update());
        while !rig.entered().contains(&Step::Soaking) {
            rig.pass(250);
        }
        rig.pass(1_000);
        rig.sick.insert(new().digest);
        rig.pass(sick_ms);
        rig.sick.clear();
        rig.pass(1_500);
        assert_eq!(rig.applied.answered.is_some(), fails, "the timer restarted");
        let answer = rig.finish();
        assert_eq!(
            failed(Step::Soaking, Class::HealthGateFailed)(&answer),
            fails,
            "{answer:?}"
        );
    }
}

#[test]
fn an_answer_is_said_again_when_the_database_changes_after_it() {
    let mut rig = Rig::new();
    rig.intend(update());
    rig.finish();
    let said = rig.reports.len();
    rig.sick.insert(new().digest);
    rig.pass(3_000);
    rig.sick.clear();
    rig.pass(3_000);
    let again = rig.reports.get(said..).unwrap_or_default();
    assert_eq!(again.len(), 2, "{again:?}");
    assert!(
        again
            .iter()
            .all(|report| matches!(report, Report::Answered { .. }))
    );
}

#[test]
fn what_served_is_good_and_what_is_on_trial_may_be_started_but_is_not_good_yet() {
    let good = |rig: &Rig| rig.host.ledger.good.clone();
    let startable = |rig: &Rig| rig.host.ledger.startable();
    let mut rig = Rig::new();
    assert_eq!(good(&rig), Some(old()));
    assert_eq!(startable(&rig), [old().digest].into());
    rig.intend(update());
    while !rig.entered().contains(&Step::Soaking) {
        rig.pass(250);
    }
    assert_eq!(good(&rig), Some(old()));
    assert_eq!(startable(&rig), [old().digest, new().digest].into());
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
    rig.pass(1_000);
    assert_eq!(good(&rig), Some(new()));
    // It failed, and serves all the same a moment later.
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Failed { .. }));
    rig.sick.clear();
    rig.pass(5_000);
    assert_eq!(good(&rig), Some(old()));
    // It failed before it did anything, and other hands brought the new one.
    let mut rig = Rig::new();
    rig.failures = vec![("drain", Failure::new(FailureKind::Lasting, "no"))];
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Failed { .. }));
    (rig.running, rig.installed) = (Some(new().digest), new().digest);
    rig.pass(1_000);
    assert_eq!(good(&rig), Some(new()));
}

#[test]
fn what_a_sick_or_rolled_back_database_does_not_obey_is_not_waited_for() {
    let refuses = |act: &'static str| {
        let mut rig = Rig::new();
        rig.failures = vec![(act, Failure::new(FailureKind::Lasting, "no"))];
        rig
    };
    for act in ["drain", "flush"] {
        let mut sick = refuses(act);
        sick.sick.insert(old().digest);
        sick.intend(update());
        assert!(matches!(sick.finish(), Answer::Updated { .. }), "{act}");
        let mut back = refuses(act);
        (back.running, back.installed) = (Some(new().digest), new().digest);
        back.intend(rollback(false));
        assert!(matches!(back.finish(), Answer::RolledBack { .. }), "{act}");
    }
    // There is nothing to stop.
    let mut down = refuses("stop");
    down.running = None;
    down.intend(update());
    assert!(matches!(down.finish(), Answer::Updated { .. }));
    let mut up = refuses("stop");
    up.intend(update());
    let class = Class::LauncherActivationFailed;
    assert!(failed(Step::Restarting, class)(&up.finish()));
}

#[test]
fn staging_waits_twice_as_long_after_each_try_and_up_to_a_quarter_more() {
    let mut rig = Rig::new();
    let passing = || Failure::new(FailureKind::Passing, "no");
    rig.failures = (0..4).map(|_| ("stage", passing())).collect();
    rig.intend(stage(Some("http://origin/db")));
    let mut waits = Vec::new();
    while rig.applied.answered.is_none() {
        let before = rig.host.memory.retry_at_ms;
        rig.pass(250);
        let at = rig.host.memory.retry_at_ms;
        if at != before && at > rig.now.ms {
            waits.push(at - rig.now.ms);
        }
    }
    let bases: [u64; 3] = [2_000, 4_000, 8_000];
    assert_eq!(waits.len(), bases.len(), "after the first: {waits:?}");
    let fits = |(wait, base): (&u64, u64)| (base..=base + base / 4).contains(wait);
    assert!(waits.iter().zip(bases).all(fits), "{waits:?}");
    let more = |(wait, base): (&u64, u64)| *wait > base + 255;
    assert!(waits.iter().zip(bases).any(more), "{waits:?}");
    let less = |(wait, base): (&u64, u64)| *wait < base + base / 4;
    assert!(waits.iter().zip(bases).any(less), "{waits:?}");
}

//! How a restarted database proves itself: what fails it, when exactly, and what is enough.

use std::collections::BTreeMap;

use super::rig::{Rig, new, old, rollback, update};
use crate::agent::machine::{Action, Failure, FailureKind, Input, advance};
use crate::base::failure::Class;
use crate::base::limits::HEALTH_AGE_MAX;
use crate::fleet::intent::Goal;
use crate::fleet::observation::{Answer, Rejoin};
use crate::plans::progress::Step;

fn soaking() -> Rig {
    let mut rig = Rig::new();
    rig.intend(update());
    while !rig.entered().contains(&Step::Soaking) {
        rig.pass(250);
    }
    rig
}

#[test]
fn another_version_at_the_last_moment_is_a_wrong_version_and_no_want_of_health() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    let mut target = new();
    target.version = "1.2.0".to_owned();
    rig.intend(Goal::Update {
        target,
        rollback_target: old(),
    });
    while rig.host.ledger.step() != Some(Step::Verifying) {
        rig.pass(250);
    }
    let since_ms = rig.host.ledger.work.as_ref().expect("its work").since_ms;
    let ends_ms = since_ms + Rig::deadlines().verify.0;
    while rig.now.ms + 500 < ends_ms {
        rig.pass(250);
    }
    rig.sick.clear();
    let answer = rig.finish();
    let class = Class::VersionMismatch;
    assert!(
        matches!(&answer, Answer::Failed { class: of, .. } if *of == class),
        "{answer:?}"
    );
}

#[test]
fn an_undrain_that_fails_is_tried_again_until_the_time_to_rejoin_is_over() {
    for (times, fails) in [(3, false), (30, true)] {
        let mut rig = Rig::new();
        let failure = Failure::new(FailureKind::Passing, "no");
        rig.failures = vec![("undrain", failure); times];
        rig.intend(update());
        while !rig.acts.contains(&"undrain") {
            rig.pass(250);
        }
        let since_ms = rig.now.ms;
        let answer = rig.finish();
        if !fails {
            assert!(matches!(answer, Answer::Updated { .. }), "{answer:?}");
            continue;
        }
        let (step, class) = (Step::Rejoining, Class::RejoinFailed);
        assert!(
            matches!(&answer, Answer::Failed { step: at, class: of, .. } if (*at, *of) == (step, class)),
            "{answer:?}"
        );
        let waited_ms = rig.now.ms - since_ms;
        let rejoin_ms = Rig::deadlines().rejoin.0;
        assert!((rejoin_ms - 1_000..rejoin_ms + 2_000).contains(&waited_ms));
        assert!(!rig.ready);
    }
}

#[test]
fn where_no_peer_ever_listed_a_node_its_own_health_is_the_evidence_in_the_end() {
    let mut rig = Rig::new();
    rig.peers = BTreeMap::from([("node-2".to_owned(), None)]);
    rig.intend(update());
    while !rig.entered().contains(&Step::Rejoining) {
        rig.pass(250);
    }
    rig.pass(Rig::deadlines().rejoin.0 - 1_000);
    assert!(!rig.ready, "a peer may list it yet");
    let rejoin = Rejoin::Own;
    assert_eq!(rig.finish(), Answer::Updated { rejoin });
}

#[test]
fn a_node_that_went_back_does_not_soak() {
    let mut rig = soaking();
    rig.finish();
    rig.reports.clear();
    rig.intend(rollback(false));
    while !rig.entered().contains(&Step::Soaking) {
        rig.pass(250);
    }
    let work = rig.host.ledger.work.as_ref().expect("its work");
    assert!(work.is_answered(), "it has gone on at once");
    let rejoin = Rejoin::Own;
    assert_eq!(rig.finish(), Answer::RolledBack { rejoin });
}

#[test]
fn a_host_that_slept_looks_again_before_it_says_that_its_node_soaked() {
    for (age_ms, ends) in [(HEALTH_AGE_MAX.0, true), (HEALTH_AGE_MAX.0 + 1, false)] {
        let mut rig = soaking();
        let look = rig.host.memory.look.as_ref().expect("it looked");
        rig.now.ms = look.at_ms + age_ms;
        let actions = advance(&mut rig.host, Input::Tick, rig.now);
        let ended = rig.host.ledger.work.is_some_and(|work| work.is_answered());
        assert_eq!((ended, actions.contains(&Action::Look)), (ends, !ends));
    }
}

#[test]
fn sickness_longer_than_its_grace_and_no_shorter_one_fails_a_node() {
    let grace_ms = Rig::deadlines().health_grace.0;
    for (sick_ms, fails) in [(grace_ms, false), (grace_ms + 1, true)] {
        let mut rig = soaking();
        rig.sick.insert(new().digest);
        rig.pass(250);
        let since_ms = rig.host.memory.unhealthy_since_ms;
        rig.now.ms = since_ms.expect("it is sick") + sick_ms;
        rig.tell(Input::Look(rig.look()));
        let step = rig.host.ledger.step();
        assert_eq!(step.is_none(), fails, "{sick_ms}");
    }
}

//! What a look is worth: which is taken in, how old one may be, what it counts for, what it says in words.

use super::rig::{Dies, Rig, new, old, update};
use crate::agent::machine::{Action, Failure, FailureKind, Host, Input, Ledger, Look, advance};
use crate::base::digest::Digest;
use crate::base::limits::LOOK_AGE_MAX;
use crate::fleet::intent::Which;
use crate::fleet::observation::{Answer, Database, Notice, Report};
use crate::plans::progress::Step;

#[test]
fn a_look_that_began_before_the_last_change_or_a_known_look_is_not_taken_in() {
    let mut rig = Rig::new();
    rig.crash();
    let changed_ms = rig.host.memory.changed_ms;
    assert!(changed_ms + 1 >= rig.now.ms, "a daemon's start is a change");
    let mut taken = |at_ms: u64, known: Option<Look>| {
        rig.host.memory.look = known;
        let mut look = rig.look();
        (look.at_ms, look.detail) = (at_ms, Some("this one".to_owned()));
        rig.tell(Input::Look(look.clone()));
        rig.host.memory.look == Some(look)
    };
    let mut known = Rig::new().look();
    known.at_ms = changed_ms + 10;
    assert!(!taken(changed_ms - 1, None));
    assert!(taken(changed_ms, None));
    assert!(!taken(known.at_ms - 1, Some(known.clone())));
    assert!(taken(known.at_ms, Some(known.clone())));
    assert!(!taken(changed_ms - 1, Some(known)));
}

#[test]
fn a_daemon_that_starts_asks_for_one_look_until_it_comes() {
    let rig = Rig::new();
    let ledger = Ledger::new("node-1".parse().expect("a good name"));
    let mut host = Host::new(ledger);
    let mut asked = |input: Input| {
        let actions = advance(&mut host, input, rig.now);
        actions.into_iter().filter(|it| *it == Action::Look).count()
    };
    assert_eq!(asked(Input::Restarted), 1);
    assert_eq!(asked(Input::Tick), 0);
    let mut early = rig.look();
    early.at_ms = rig.now.ms - 1;
    assert_eq!(asked(Input::Look(early)), 1, "it began too early");
    assert_eq!(asked(Input::Tick), 0);
    assert_eq!(asked(Input::Look(rig.look())), 0);
    assert_eq!(asked(Input::Tick), 0);
}

#[test]
fn on_a_look_older_than_a_second_nothing_is_asked_for() {
    for (age_ms, asks) in [(LOOK_AGE_MAX.0, 1), (LOOK_AGE_MAX.0 + 1, 0)] {
        let mut rig = Rig::new();
        rig.tell(Input::Look(rig.look()));
        rig.now.ms += age_ms;
        rig.give(update());
        let actions = advance(&mut rig.host, Input::Applied(rig.applied), rig.now);
        let begins = |action: &&Action| matches!(action, Action::Ask(_));
        assert_eq!(actions.iter().filter(begins).count(), asks, "{age_ms}");
        let looks = actions.contains(&Action::Look);
        assert_eq!(looks, asks == 0, "{age_ms}");
    }
}

#[test]
fn before_its_restart_a_node_is_measured_by_its_health_and_then_by_its_new_version() {
    let mut rig = Rig::new();
    rig.grants.remove(&Which::Second);
    rig.intend(update());
    while !rig.entered().contains(&Step::Swapping) {
        assert!(rig.host.memory.healthy_since_ms.is_some());
        rig.pass(250);
    }
    assert!(rig.host.memory.healthy_since_ms.is_some());
}

#[test]
fn the_first_word_after_a_restart_says_nothing_of_the_old_process() {
    let mut rig = Rig::new();
    rig.sick.insert(new().digest);
    rig.intend(update());
    while !rig.entered().contains(&Step::Verifying) {
        rig.pass(250);
    }
    let said = Database {
        digest: Some(new().digest),
        installed: Some(new().digest),
        version: None,
        healthy: false,
        drained: true,
    };
    assert_eq!(rig.host.ledger.reported, Some(said));
}

#[test]
fn a_node_that_is_kept_from_traffic_is_reported_as_drained() {
    let mut rig = Rig::new();
    let said = rig.host.ledger.reported.as_ref();
    assert_eq!(said.map(|database| database.drained), Some(false));
    rig.intend(update());
    while rig.ready {
        rig.pass(250);
    }
    assert!(!rig.drained, "its adapter is told after a while");
    rig.installed = Digest::of(b"somebody else's");
    rig.tell(Input::Look(rig.look()));
    let said = rig.host.ledger.outbox.last().expect("a notice");
    let noticed = |report: &Report| matches!(report, Report::Noticed(Notice::UnknownHands { .. }));
    assert!(noticed(&said.report) && said.database.drained);
}

#[test]
fn what_this_machine_did_is_no_unknown_hand_whoever_keeps_the_process() {
    // It was there before its start ended as failed.
    let mut rig = Rig::new();
    rig.kept = false;
    rig.revives_before = Some("start");
    rig.failures = vec![("start", Failure::new(FailureKind::TimedOut, "no"))];
    rig.intend(update());
    assert!(matches!(rig.finish(), Answer::Updated { .. }));
    assert_eq!(rig.notices(), Vec::<&Notice>::new());
    // The daemon that started it did not live to see it.
    let mut rig = Rig::new();
    rig.kept = false;
    rig.contact = false;
    rig.pass(15_000);
    rig.running = None;
    rig.dies = Some(("start", Dies::After));
    rig.pass(1_000);
    assert_eq!((rig.starts, rig.dies), (1, None));
    rig.contact = true;
    rig.pass(5_000);
    assert_eq!(rig.notices(), Vec::<&Notice>::new());
}

#[test]
fn a_version_alone_is_no_health() {
    let mut look = Rig::new().look();
    assert_eq!(look.healthy_binary(), Some(old()));
    assert!(look.serves(&old()) && !look.serves(&new()));
    look.database.healthy = false;
    assert_eq!(look.healthy_binary(), None);
    assert!(!look.serves(&old()));
}

#[test]
fn a_look_says_in_words_what_it_saw() {
    let mut look = Rig::new().look();
    assert!(look.describe().contains("healthy with version 1.0.0"));
    look.database.healthy = false;
    look.detail = Some("it does not answer".to_owned());
    let sick = "the database is not healthy (it does not answer)";
    assert_eq!(look.describe(), sick);
    look.process = None;
    let down = "the database is not running (it does not answer)";
    assert_eq!(look.describe(), down);
}

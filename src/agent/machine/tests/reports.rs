//! Reports on their way: one at a time, said again, moved on or dropped, and none for what flaps.

use super::rig::{Rig, new, old, stage, update};
use crate::agent::machine::Input;
use crate::fleet::intent::{Goal, Which};
use crate::fleet::observation::{Answer, Notice, Observation, Report};

fn outbox(rig: &Rig) -> &[Observation] {
    &rig.host.ledger.outbox
}

/// The database is sick for so long, then well again for a while.
fn flap(rig: &mut Rig, ms: u64) {
    rig.sick.insert(old().digest);
    rig.pass(ms);
    rig.sick.clear();
    rig.pass(3_000);
}

#[test]
fn a_report_that_the_log_does_not_show_is_said_again_each_second_before_any_later_one() {
    let mut rig = Rig::new();
    rig.contact = false;
    rig.proposed.clear();
    rig.intend(stage(None));
    rig.pass(5_000);
    let oldest = outbox(&rig)[0].sequence;
    assert!(outbox(&rig).len() > 1);
    assert!(rig.proposed.iter().all(|(sequence, _)| *sequence == oldest));
    let gaps = rig.proposed.windows(2).map(|pair| pair[1].1 - pair[0].1);
    let gaps: Vec<u64> = gaps.collect();
    assert!(gaps.len() >= 3, "{gaps:?}");
    assert!(
        gaps.iter().all(|gap| (1_000..1_250).contains(gap)),
        "{gaps:?}"
    );
}

#[test]
fn health_that_flaps_is_not_reported_and_a_change_that_lasts_is() {
    let mut rig = Rig::new();
    let told = rig.reports.len();
    flap(&mut rig, 750);
    assert_eq!(rig.reports.len(), told);
    flap(&mut rig, 1_000);
    assert_eq!(rig.reports.len(), told + 2, "sick, then well");
}

#[test]
fn a_refused_report_is_dropped_but_for_the_answer_that_the_log_waits_for() {
    let mut rig = Rig::new();
    rig.contact = false;
    rig.intend(stage(None));
    rig.pass(5_000);
    let of = |rig: &Rig, wanted: fn(&Report) -> bool| {
        let found = outbox(rig).iter().find(|kept| wanted(&kept.report));
        found.map(|kept| kept.sequence)
    };
    let entered = |report: &Report| matches!(report, Report::Entered(_));
    let answered = |report: &Report| matches!(report, Report::Answered { .. });
    let kept = outbox(&rig).len();
    let sequence = of(&rig, entered).expect("a step");
    rig.tell(Input::ReportRefused { sequence });
    assert_eq!(outbox(&rig).len(), kept - 1);
    let sequence = of(&rig, answered).expect("an answer");
    rig.tell(Input::ReportRefused { sequence });
    assert_eq!(of(&rig, answered), Some(sequence));
    rig.applied.intent = None;
    rig.tell(Input::Applied(rig.applied.clone()));
    rig.tell(Input::ReportRefused { sequence });
    assert_eq!(of(&rig, answered), None);
}

#[test]
fn what_an_older_generation_had_to_say_is_dropped_and_a_notice_is_moved_on() {
    let mut rig = Rig::new();
    rig.contact = false;
    flap(&mut rig, 2_000);
    let noticed = |kept: &Observation| matches!(kept.report, Report::Noticed(_));
    assert_eq!(outbox(&rig).len(), 2);
    rig.intend(stage(None));
    rig.pass(5_000);
    assert!(outbox(&rig).len() > 2);
    rig.intend(Goal::StandDown);
    let newest = rig.applied.generation;
    assert_eq!(outbox(&rig).iter().filter(|kept| noticed(kept)).count(), 2);
    assert!(outbox(&rig).iter().all(|kept| kept.generation == newest));
    rig.contact = true;
    assert_eq!(rig.finish(), Answer::StoodDown);
    rig.pass(3_000);
    assert!(outbox(&rig).is_empty());
}

#[test]
fn a_host_that_is_alone_for_long_keeps_so_many_words_and_no_more() {
    let mut rig = Rig::new();
    rig.contact = false;
    rig.pass(1_000);
    for _ in 0..31 {
        flap(&mut rig, 2_000);
    }
    assert_eq!(outbox(&rig).len(), 62);
    let first = outbox(&rig)[0].sequence;
    flap(&mut rig, 2_000);
    assert_eq!((outbox(&rig).len(), outbox(&rig)[0].sequence), (64, first));
    flap(&mut rig, 2_000);
    assert_eq!(
        (outbox(&rig).len(), outbox(&rig)[0].sequence),
        (64, first + 2)
    );
}

#[test]
fn work_in_hand_says_its_steps_and_nothing_else_but_a_download() {
    let told_of = |held: &'static str, goal: Goal| {
        let mut rig = Rig::new();
        rig.hold(held);
        rig.grants.remove(&Which::Second);
        rig.intend(goal);
        while !rig.acts.contains(&held) {
            rig.pass(250);
        }
        let told = rig.reports.len();
        flap(&mut rig, 2_000);
        let mut told = rig.reports.split_off(told);
        told.retain(|report| matches!(report, Report::Noticed(_)));
        told
    };
    assert_eq!(told_of("flush", update()), []);
    assert_eq!(told_of("remove_prepared", update()), []);
    let changed = || Report::Noticed(Notice::Changed);
    let stage = stage(Some("http://origin/db"));
    assert_eq!(told_of("stage", stage), [changed(), changed()]);
}

#[test]
fn an_answer_said_again_takes_the_place_of_the_one_under_way() {
    let mut rig = Rig::new();
    rig.intend(stage(None));
    rig.contact = false;
    rig.applied.sequence = 0;
    rig.pass(2_000);
    rig.intend(stage(None));
    rig.pass(2_000);
    let answers = |rig: &Rig| {
        let of = |kept: &&Observation| matches!(kept.report, Report::Answered { .. });
        let answers = outbox(rig).iter().filter(of);
        answers.map(|kept| kept.sequence).collect::<Vec<_>>()
    };
    let first = answers(&rig);
    assert_eq!(first.len(), 1);
    flap(&mut rig, 2_000);
    let again = answers(&rig);
    assert!(again.len() == 1 && again > first, "{first:?} {again:?}");
}

#[test]
fn what_changes_after_a_slot_was_released_is_told_under_the_newest_generation() {
    let mut rig = Rig::new();
    rig.intend(update());
    rig.finish();
    rig.applied.generation = rig.applied.generation.next();
    (rig.applied.intent, rig.applied.answered) = (None, None);
    rig.pass(1_000);
    let told = rig.reports.len();
    rig.sick.insert(new().digest);
    rig.pass(3_000);
    let changed = Report::Noticed(Notice::Changed);
    assert_eq!(rig.reports.split_off(told), [changed]);
}

//! A begin as the log judges it: from the node's own host, of its take's own term, and while the take is fresh.

use super::rig::{Log, PLAN, name};
use crate::base::limits::TAKE_AGE_MAX;
use crate::fleet::intent::Which;
use crate::machine::command::{Command, Purpose};
use crate::machine::refusal::Refusal;
use crate::plans::strategy::Strategy;

fn taken() -> Log {
    let mut log = Log::rolling(3, Strategy::default());
    log.lead(log.take(2, Purpose::Update, &[]));
    log
}

#[test]
fn nobody_begins_for_another_host() {
    let log = taken();
    let foreign = Refusal::ForeignReport { node: name(2) };
    assert_eq!(log.refuses(3, log.first(2, Which::First)), Some(foreign));
    assert_eq!(log.refuses(2, log.first(2, Which::First)), None);
}

#[test]
fn a_first_begin_is_of_its_takes_term_and_comes_while_the_take_is_fresh() {
    let mut log = taken();
    log.state.head.clock.run_ms += TAKE_AGE_MAX.0;
    assert_eq!(log.refuses(2, log.first(2, Which::First)), None);
    log.state.head.clock.run_ms += 1;
    let node = name(2);
    let too_old = Refusal::TakeTooOld { node };
    assert_eq!(log.refuses(2, log.first(2, Which::First)), Some(too_old));
    let mut log = taken();
    let mut begun = log.again();
    begun.begin(2, Which::First).unwrap();
    for log in [&mut log, &mut begun] {
        log.term += 1;
        log.lead(Command::OpenTerm { idle_ms: None });
    }
    let of_old_term = Refusal::TakeOfOldTerm { node: name(2) };
    assert_eq!(
        log.refuses(2, log.first(2, Which::First)),
        Some(of_old_term)
    );
    // What was begun goes on under the next leader, however long it takes.
    begun.state.head.clock.run_ms += TAKE_AGE_MAX.0 + 1;
    assert_eq!(begun.refuses(2, begun.first(2, Which::Second)), None);
}

#[test]
fn a_begin_is_in_order_new_and_of_a_plan_that_goes_on() {
    let mut log = taken();
    let node = || name(2);
    let out_of_order = Refusal::BeginOutOfOrder { node: node() };
    assert_eq!(
        log.refuses(2, log.first(2, Which::Second)),
        Some(out_of_order)
    );
    let mut paused = log.again();
    paused.order(Command::Pause { plan: PLAN }).unwrap();
    let stopped = Refusal::PlanNotInProgress { plan: PLAN };
    assert_eq!(
        paused.refuses(2, paused.first(2, Which::First)),
        Some(stopped)
    );
    log.begin(2, Which::First).unwrap();
    let repeated = Refusal::BeginRepeated { node: node() };
    assert_eq!(log.refuses(2, log.first(2, Which::First)), Some(repeated));
}

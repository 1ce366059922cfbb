//! A plan that takes nobody says why, until when, and what an operator could type.

use super::table::Table;
use crate::decision::waiting::Wait;
use crate::plans::plan::{Direction, Status};
use crate::plans::progress;

fn only(table: &Table) -> Wait {
    let decision = table.decide();
    assert_eq!((decision.proposal, decision.handoff), (None, None));
    let [wait] = decision.waits.try_into().expect("one wait");
    wait
}

#[test]
fn a_plan_that_is_being_cancelled_or_was_given_notice_takes_nobody() {
    let mut table = Table::of(3);
    table.plan().cancelling = true;
    assert_eq!(only(&table).code, "cancelling");
    let mut table = Table::of(3);
    table.plan().notice_until_run_ms = Some(5);
    let wait = only(&table);
    assert_eq!(
        (wait.code.as_str(), wait.until_ms),
        ("rollback_notice", Some(5))
    );
    assert_eq!(wait.commands, ["aegis-updates plan pause p-1"]);
}

#[test]
fn a_paused_plan_says_what_an_operator_can_do_in_its_direction() {
    let helped = |of, quorum_lost| {
        let mut table = Table::of(3);
        table.plan().status = Status::Paused { of, quorum_lost };
        table.plan().progressed_run_ms = 7;
        let wait = only(&table);
        assert_eq!((wait.code.as_str(), wait.since_ms), ("paused", Some(7)));
        wait.commands
    };
    assert_eq!(
        helped(Direction::Forward, true),
        [
            "aegis-updates plan resume p-1 --forward",
            "aegis-updates plan resume p-1 --rollback"
        ]
    );
    assert_eq!(
        helped(Direction::Back, false),
        ["aegis-updates plan resume p-1"]
    );
    assert_eq!(
        helped(Direction::Forward, false),
        [
            "aegis-updates plan resume p-1",
            "aegis-updates rollback p-1",
            "aegis-updates plan cancel p-1"
        ]
    );
}

#[test]
fn a_gate_that_counts_voters_names_the_nodes_that_are_behind() {
    let mut table = Table::of(3);
    table.lag(3);
    let wait = only(&table);
    assert_eq!(
        (wait.code.as_str(), wait.subject.as_deref()),
        ("gate_members", Some("n2"))
    );
    assert!(wait.detail.ends_with("behind or silent: n3"), "{wait:?}");
}

#[test]
fn a_slot_holder_that_is_silent_is_named_with_what_helps() {
    let mut table = Table::of(5);
    table.give_slot(4);
    table.silence(4, 1);
    assert_eq!(table.waits(), ["gate_slot", "slot_held_by_unreachable"]);
}

#[test]
fn what_one_node_waits_for_is_said_while_another_is_taken() {
    let mut table = Table::of(5);
    table.plan().strategy.max_unavailable = 2;
    table.give_slot(4);
    table.progress(4).status = progress::Status::Updating { step: None };
    let decision = table.decide();
    assert!(decision.proposal.is_some());
    assert_eq!(decision.waits.len(), 1, "n4's host works");
    let mut back = Table::of(3);
    back.update([2, 3]);
    back.turn();
    back.sicken(2, 0);
    back.progress(2).since_run_ms = 1;
    let taken = back.decide().proposal.expect("the sick node is taken");
    back.commit(taken);
    back.sicken(3, 0);
    let decision = back.decide();
    assert!(decision.proposal.is_some());
    assert_eq!(decision.waits.len(), 1, "n2's host works");
}

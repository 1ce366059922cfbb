//! When the databases have lost their quorum: counted of the configured, on what is known, for longer than the grace.

use super::table::{GRACE_MS, Table, name};
use crate::base::duration::Millis;
use crate::base::failure::Class;
use crate::machine::command::{Command, NodeFailure};
use crate::plans::plan::{Direction, Scope, Status};
use crate::plans::progress::Status as NodeStatus;
use crate::plans::strategy::OnNodeFailure;

const LATE: u64 = GRACE_MS + 1;

fn lost(table: &Table) -> Option<Vec<String>> {
    match table.decide().proposal {
        Some(Command::LoseQuorum { lost, .. }) => {
            Some(lost.iter().map(ToString::to_string).collect())
        }
        _ => None,
    }
}

#[test]
fn two_of_three_down_for_longer_than_the_grace_are_a_loss_and_one_is_not() {
    let mut table = Table::of(3);
    table.sicken(3, LATE);
    assert_eq!(lost(&table), None);
    table.sicken(2, GRACE_MS);
    assert_eq!(lost(&table), None);
    assert!(table.waits().contains(&"gate_quorum_loss".to_owned()));
    table.sicken(2, LATE);
    assert_eq!(lost(&table), Some(vec!["n2".to_owned(), "n3".to_owned()]));
}

#[test]
fn a_silent_host_counts_only_once_its_database_was_looked_at_and_does_not_serve() {
    let mut table = Table::of(3);
    table.sicken(3, LATE);
    for (probed, is_lost) in [(None, false), (Some(true), false), (Some(false), true)] {
        table.silence(2, LATE);
        table.host(2).probed = probed;
        assert_eq!(lost(&table).is_some(), is_lost, "{probed:?}");
    }
}

/// Found by seed 158: a look had found it serving meanwhile, and the loss was counted from when its host fell silent.
#[test]
fn a_loss_begins_anew_when_a_look_finds_the_database_serving() {
    let mut table = Table::of(3);
    table.sicken(3, LATE);
    table.silence(2, 2 * LATE);
    table.host(2).probed = Some(false);
    for (served_ago, is_lost) in [(None, true), (Some(GRACE_MS), false), (Some(LATE), true)] {
        table.host(2).served_ago = served_ago.map(Millis);
        assert_eq!(lost(&table).is_some(), is_lost, "{served_ago:?}");
    }
}

#[test]
fn of_five_three_are_a_loss_and_a_higher_floor_does_not_lower_that() {
    let mut table = Table::of(5);
    table.sicken(4, LATE);
    table.sicken(5, LATE);
    assert_eq!(lost(&table), None);
    table.plan().strategy.min_available = Some(4);
    assert_eq!(lost(&table), None);
    table.sicken(3, LATE);
    assert_eq!(lost(&table).map(|lost| lost.len()), Some(3));
    table.plan().strategy.min_available = Some(1);
    assert_eq!(lost(&table), None);
}

#[test]
fn it_is_said_once_and_recorded_while_paused_too() {
    let mut table = Table::of(3);
    table.sicken(2, LATE);
    table.sicken(3, LATE);
    table.plan().status = Status::Paused {
        of: Direction::Forward,
        quorum_lost: false,
    };
    assert!(lost(&table).is_some());
    table.plan().status = Status::Paused {
        of: Direction::Forward,
        quorum_lost: true,
    };
    assert_eq!(lost(&table), None);
    table.plan().status = Status::InProgress;
    table.plan().notice_until_run_ms = Some(1);
    assert_eq!(lost(&table), None);
}

#[test]
fn an_updated_node_that_stays_ill_fails_but_not_while_the_quorum_is_being_lost() {
    let mut table = Table::of(3);
    table.update([2]);
    let grace = table.plan().strategy.deadlines.health_grace;
    table.sicken(2, grace.0);
    assert!(!matches!(
        table.decide().proposal,
        Some(Command::FailNode { .. })
    ));
    table.sicken(2, grace.0 + 1);
    let failed = matches!(table.decide().proposal, Some(Command::FailNode(NodeFailure { node, .. })) if node == name(2));
    assert!(failed);
    table.sicken(3, 1);
    assert!(!matches!(
        table.decide().proposal,
        Some(Command::FailNode { .. })
    ));
}

#[test]
fn a_node_that_fails_during_the_notice_narrows_nothing() {
    let strategies = [OnNodeFailure::RollbackNode, OnNodeFailure::RollbackAll];
    for strategy in strategies.into_iter().chain([OnNodeFailure::Pause]) {
        let mut table = Table::of(3);
        table.update([2, 3]);
        table.plan().strategy.on_node_failure = strategy;
        table.plan().notice_until_run_ms = Some(2_000);
        let grace = table.plan().strategy.deadlines.health_grace;
        table.sicken(2, grace.0 + 1);
        let failed = table.decide().proposal;
        assert!(
            matches!(failed, Some(Command::FailNode { .. })),
            "{failed:?}"
        );
        table.commit(failed.unwrap());
        let noticed = (
            table.plan().status.clone(),
            table.plan().notice_until_run_ms,
        );
        assert_eq!(noticed, (Status::InProgress, Some(2_000)), "{strategy:?}");
        table.commit(Command::Tick { previous_ms: 1 });
        let turned = table.plan().turn.clone().map(|turn| turn.scope);
        assert_eq!(turned, Some(Scope::All), "{strategy:?}");
        assert_eq!(table.plan().status, Status::RollingBack);
    }
}

#[test]
fn a_host_that_stays_silent_is_given_up_after_unreachable_after_and_not_before() {
    let mut table = Table::of(3);
    let after = table.plan().strategy.unreachable_after;
    table.silence(2, after.0);
    assert_eq!(table.decide().proposal, None);
    table.silence(2, after.0 + 1);
    let given_up = matches!(table.decide().proposal, Some(Command::GiveUpNode { node, .. }) if node == name(2));
    assert!(given_up);
    table.turn();
    assert_eq!(table.decide().proposal, None);
    assert!(after > Millis::seconds(60));
}

#[test]
fn a_silent_host_is_given_up_only_where_the_plan_waits_for_it() {
    let given_up = |status: NodeStatus, holds_slot: bool| {
        let mut table = Table::of(3);
        table.progress(2).status = status;
        if holds_slot {
            table.give_slot(2);
        }
        let after = table.plan().strategy.unreachable_after;
        table.silence(2, after.0 + 1);
        matches!(table.decide().proposal, Some(Command::GiveUpNode { .. }))
    };
    let failed = NodeStatus::Failed {
        class: Class::HealthGateFailed,
        detail: String::new(),
    };
    assert!(given_up(NodeStatus::Pending, false));
    assert!(given_up(failed.clone(), true) && !given_up(failed, false));
    assert!(!given_up(NodeStatus::Updated, true));
}

//! Each gate of an update and of a rollback: open, then shut by the one thing that shuts it.

use super::table::{Table, name};
use crate::base::duration::Millis;
use crate::base::limits::{HEALTH_AGE_MAX, QUORUM_ACK_AGE_MAX};
use crate::fleet::view::{Heard, Host};
use crate::machine::command::{Change, Command, Purpose};
use crate::plans::progress::Status;

#[test]
fn in_a_cluster_that_is_well_the_first_follower_is_taken_on_what_was_heard() {
    let Some(Command::Take(take)) = Table::of(3).decide().proposal else {
        panic!("nothing was taken");
    };
    assert_eq!((take.node, take.purpose), (name(2), Purpose::Update));
    let heard: Vec<_> = take
        .evidence
        .iter()
        .map(|seen| (&seen.node, seen.healthy))
        .collect();
    assert_eq!(
        heard,
        [(&name(1), true), (&name(2), true), (&name(3), true)]
    );
}

#[test]
fn nothing_is_taken_on_a_quorum_that_was_last_acknowledged_too_long_ago() {
    let mut table = Table::of(3);
    table.view.quorum_ack_age = Some(QUORUM_ACK_AGE_MAX);
    assert!(table.taken().is_some());
    for age in [None, Some(Millis(QUORUM_ACK_AGE_MAX.0 + 1))] {
        table.view.quorum_ack_age = age;
        assert_eq!(table.waits(), ["gate_quorum"]);
    }
}

#[test]
fn nothing_is_taken_in_another_term_or_before_its_own_is_open() {
    let mut table = Table::of(3);
    table.view.term += 1;
    assert_eq!(table.waits(), ["not_leading"]);
    let mut table = Table::of(3);
    table.state.head.term.opened = false;
    assert_eq!(table.waits(), ["not_leading"]);
}

#[test]
fn a_majority_of_the_configured_voters_is_caught_up_without_the_candidate_and_every_slot_holder() {
    let three_with_one_behind = {
        let mut table = Table::of(3);
        table.lag(3);
        table
    };
    assert_eq!(three_with_one_behind.waits(), ["gate_members"]);
    let five = |behind: &[u64], slots: &[u64]| {
        let mut table = Table::of(5);
        table.plan().strategy.max_unavailable = 2;
        behind.iter().for_each(|number| table.lag(*number));
        for number in slots {
            table.give_slot(*number);
            table.progress(*number).status = Status::Updating { step: None };
        }
        table
    };
    assert_eq!(five(&[4], &[]).taken().as_deref(), Some("n2"));
    assert_eq!(five(&[], &[3]).taken().as_deref(), Some("n2"));
    assert_eq!(five(&[4, 5], &[]).waits(), ["gate_members"]);
    assert_eq!(five(&[4], &[3]).waits(), ["host_working", "gate_members"]);
}

#[test]
fn what_was_heard_too_long_ago_is_unknown_and_unknown_is_unsafe() {
    let at_age = |age| {
        let mut table = Table::of(3);
        if let Heard::Heard { age: heard, .. } = &mut table.host(3).heard {
            *heard = Millis(age);
        }
        table
    };
    assert_eq!(at_age(HEALTH_AGE_MAX.0).taken().as_deref(), Some("n2"));
    assert_eq!(
        at_age(HEALTH_AGE_MAX.0 + 1).waits(),
        ["gate_databases", "gate_outsiders"]
    );
    let mut never = Table::of(3);
    *never.host(3) = Host::default();
    assert_eq!(never.waits(), ["gate_databases", "gate_outsiders"]);
}

#[test]
fn an_unhealthy_node_outside_the_plan_blocks_and_a_skipped_one_only_counts() {
    let mut table = Table::of(5);
    table.plan().nodes.remove(&name(5));
    table.sicken(5, 0);
    assert_eq!(table.waits(), ["gate_outsiders"]);
    let mut table = Table::of(5);
    table.progress(5).status = Status::Skipped {
        reason: "by an operator".to_owned(),
    };
    table.sicken(5, 0);
    assert_eq!(table.taken().as_deref(), Some("n2"));
}

#[test]
fn unhealthy_nodes_of_the_plan_do_not_wait_for_one_another() {
    let mut table = Table::of(5);
    table.sicken(2, 0);
    table.sicken(5, 0);
    assert_eq!(table.taken().as_deref(), Some("n2"));
    table.plan().nodes.remove(&name(5));
    assert_eq!(table.waits(), ["gate_outsiders"]);
    // A healthy one does wait for them.
    let mut table = Table::of(5);
    table.sicken(5, 0);
    table.update([5]);
    assert_eq!(table.waits(), ["gate_outsiders"]);
}

#[test]
fn a_slot_in_use_a_membership_change_and_the_databases_own_word_each_shut_their_gate() {
    let mut table = Table::of(5);
    table.give_slot(4);
    table.progress(4).status = Status::Updating { step: None };
    assert_eq!(table.waits(), ["host_working", "gate_slot"]);
    let mut table = Table::of(3);
    table.state.head.membership.opened = Some(Change::Remove {
        node: name(3),
        reachable: true,
    });
    assert_eq!(table.waits(), ["gate_membership"]);
    let mut table = Table::of(3);
    table.view.membership_changing = true;
    assert_eq!(table.waits(), ["gate_membership"]);
    let mut table = Table::of(3);
    if let Heard::Heard { sample, .. } = &mut table.host(2).heard {
        sample.safe_to_stop = Err("a copy is running".to_owned());
    }
    assert_eq!(table.waits(), ["gate_safe_to_stop"]);
}

#[test]
fn nothing_is_taken_before_every_node_is_staged() {
    let mut table = Table::of(3);
    table.progress(3).status = Status::Staging;
    assert_eq!(table.waits(), ["staging"]);
}

#[test]
fn taking_an_unhealthy_node_back_waits_for_the_quorum_alone() {
    let mut table = Table::of(3);
    table.update([2, 3]);
    table.turn();
    table.sicken(2, 0);
    table.give_slot(3);
    table.lag(3);
    let Some(Command::Take(take)) = table.decide().proposal else {
        panic!("the sick node was not taken");
    };
    assert_eq!(
        (take.node, take.purpose),
        (name(2), Purpose::Rollback { marked: true })
    );
    table.view.quorum_ack_age = None;
    let waits = table.waits();
    assert_eq!(
        waits,
        ["gate_quorum", "gate_quorum", "gate_databases"],
        "the last is n3's"
    );
}

/// Found by seed 13049: each of two healthy slot holders was taken back, anew every five seconds, and neither begin
/// was granted while the other held its slot; with no take made anew their hosts give theirs back.
#[test]
fn a_healthy_slot_holder_is_taken_back_when_its_begin_would_be_granted() {
    let mut table = Table::of(3);
    table.update([2, 3]);
    table.turn();
    table.give_slot(2);
    assert_eq!(table.taken().as_deref(), Some("n2"));
    table.give_slot(3);
    assert_eq!(table.taken(), None);
    assert_eq!(table.waits(), ["gate_databases", "gate_databases"]);
}

#[test]
fn taking_a_healthy_node_back_needs_a_free_slot_and_enough_databases_without_it() {
    let mut table = Table::of(3);
    table.update([2]);
    table.turn();
    assert_eq!(table.taken().as_deref(), Some("n2"));
    table.sicken(3, 0);
    assert_eq!(table.waits(), ["gate_databases"]);
    let mut table = Table::of(5);
    table.update([2]);
    table.turn();
    table.plan().nodes.remove(&name(4));
    table.give_slot(4);
    assert_eq!(table.waits(), ["gate_slot"]);
}

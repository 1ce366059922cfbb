//! Whether a host's begin is appended: what was taken a moment ago may, until one thing is otherwise.

use super::table::{Table, name};
use crate::decision::begin::may;
use crate::fleet::intent::{Begin, Which};
use crate::machine::refusal::Refusal;
use crate::plans::gates::Gate;

/// The first begin of the node's newest generation.
fn asked(table: &Table, number: u64) -> Result<(), Refusal> {
    let name = name(number);
    let begin = Begin {
        generation: table.state.node(&name).expect("a node").generation,
        which: Which::First,
        attempt: 1,
    };
    may(&table.state, &table.view, &name, &begin)
}

fn shut(table: &Table, number: u64) -> Option<Gate> {
    match asked(table, number) {
        Err(Refusal::GateShut { red }) => Some(red.gate),
        _ => None,
    }
}

/// What this table proposes has come to be applied; it takes this node.
fn taken(mut table: Table, number: u64) -> Table {
    let proposed = table.decide().proposal.expect("a take");
    table.commit(proposed);
    let name = name(number);
    let node = table.state.node(&name).expect("a node");
    assert!(node.intent.is_some(), "{number} was not taken");
    table
}

#[test]
fn a_begin_is_appended_by_the_leader_of_an_open_term_only() {
    let table = || taken(Table::of(3), 2);
    assert_eq!(asked(&table(), 2), Ok(()));
    let mut follower = table();
    follower.view.leads = false;
    let mut later = table();
    later.view.term += 1;
    let mut unopened = table();
    unopened.state.head.term.opened = false;
    for table in [follower, later, unopened] {
        assert_eq!(asked(&table, 2), Err(Refusal::NotTheLeader));
    }
}

#[test]
fn the_begin_of_an_update_asks_quorum_voters_and_databases_again() {
    let table = || taken(Table::of(3), 2);
    let mut unheard = table();
    unheard.view.quorum_ack_age = None;
    assert_eq!(shut(&unheard, 2), Some(Gate::Quorum));
    let mut behind = table();
    behind.lag(3);
    assert_eq!(shut(&behind, 2), Some(Gate::Members));
    let mut sick = table();
    sick.sicken(3, 0);
    assert_eq!(shut(&sick, 2), Some(Gate::Databases));
}

#[test]
fn the_begin_of_a_rollback_asks_for_databases_unless_its_node_is_unhealthy() {
    let mut table = Table::of(3);
    table.update([2]);
    table.turn();
    let mut table = taken(table, 2);
    assert_eq!(asked(&table, 2), Ok(()));
    table.sicken(3, 0);
    assert_eq!(shut(&table, 2), Some(Gate::Databases));
    table.sicken(2, 0);
    assert_eq!(asked(&table, 2), Ok(()));
    table.view.quorum_ack_age = None;
    assert_eq!(shut(&table, 2), Some(Gate::Quorum));
}

//! Who is put back before anything else is decided.

use super::table::{PLAN, Table, name};
use crate::base::ids::NodeName;
use crate::machine::command::Command;

fn put_back(table: &Table) -> Option<NodeName> {
    match table.decide().proposal {
        Some(Command::StandDown { node, .. }) => Some(node),
        _ => None,
    }
}

#[test]
fn a_node_that_is_skipped_while_it_goes_back_is_put_back() {
    let mut table = Table::of(3);
    table.update([1, 2]);
    table.turn();
    let Some(Command::Take(take)) = table.decide().proposal else {
        panic!("somebody is taken back");
    };
    let node = take.node.clone();
    table.commit(Command::Take(take));
    assert_eq!(put_back(&table), None);
    table.commit(Command::SkipNode {
        plan: PLAN,
        node: node.clone(),
    });
    assert_eq!(put_back(&table), Some(node));
}

#[test]
fn a_node_before_its_boundary_is_put_back_when_its_plan_pauses_or_skips_it() {
    let taken = || {
        let mut table = Table::of(3);
        let taken = table.decide().proposal.expect("a take");
        table.commit(taken);
        assert_eq!(put_back(&table), None);
        table
    };
    let mut paused = taken();
    paused.commit(Command::Pause { plan: PLAN });
    assert_eq!(put_back(&paused), Some(name(2)));
    let mut skipped = taken();
    skipped.commit(Command::SkipNode {
        plan: PLAN,
        node: name(2),
    });
    assert_eq!(put_back(&skipped), Some(name(2)));
}

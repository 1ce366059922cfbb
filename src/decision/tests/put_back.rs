//! Who is put back before anything else is decided.

use super::table::{PLAN, Table};
use crate::machine::command::Command;

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
    let puts_back = |table: &Table| match table.decide().proposal {
        Some(Command::StandDown { node, .. }) => Some(node),
        _ => None,
    };
    assert_eq!(puts_back(&table), None);
    table.commit(Command::SkipNode {
        plan: PLAN,
        node: node.clone(),
    });
    assert_eq!(puts_back(&table), Some(node));
}

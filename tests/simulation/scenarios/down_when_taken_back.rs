//! A final plan is taken back while a database of it is down.

use aegis_updates::fleet::observation::{Notice, Observation, Report};
use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::Status;

use super::{by, by_the_leader, ends, three};

/// Found by round 19 of the real daemons: the database had been killed and its host had not yet said that it runs
/// again, so the way back left the node out and ended `Completed` over two versions.
#[test]
fn a_node_whose_database_is_down_goes_back_with_the_others() {
    for installed_is_known in [true, false] {
        let mut world = three(1);
        ends(&mut world, &Status::Completed);
        let mut state = world.oracle.state.clone();
        let plan = *state.plans.keys().next().expect("there was a plan");
        let (name, node) = state.nodes.iter().next().expect("there are nodes");
        let (name, node) = (name.clone(), node.clone());
        let mut database = node.database.clone();
        (database.digest, database.version, database.healthy) = (None, None, false);
        if !installed_is_known {
            database.installed = None;
        }
        let down = Command::Observe(Observation {
            node: name.clone(),
            generation: node.generation,
            sequence: node.sequence + 1,
            database,
            report: Report::Noticed(Notice::Changed),
        });
        assert_eq!(by(&mut state, node.member, down), Ok(()));
        let back = Command::Rollback { plan, nodes: None };
        assert_eq!(by_the_leader(&mut state, back), Ok(()));
        let back = state.live_plan().expect("the way back has begun");
        assert!(back.nodes.contains_key(&name), "{name} was left out");
        assert_eq!(back.nodes.len(), 3);
    }
}

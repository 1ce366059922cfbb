//! An operator takes a slot from a host that cannot answer.

use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress;

use super::{PLAN_MS, by_the_leader, story, three};
use crate::world::World;

/// Found by seed 1660: the node had been taken and not begun; after the release it stayed `Updating` with nobody at
/// work, and the rollback waited for it until its deadline.
#[test]
fn a_released_node_that_never_began_holds_up_no_rollback() {
    let mut world = three(1);
    let taken = |world: &World| {
        let plan = world.oracle.state.live_plan()?;
        let mut nodes = plan.nodes.iter();
        let waits = progress::Status::Updating { step: None };
        let found = nodes.find(|(_, node)| node.status == waits && !node.begun);
        found.map(|(name, _)| (plan.id, name.clone()))
    };
    world.run_until(PLAN_MS, |world| taken(world).is_some());
    let Some((plan, node)) = taken(&world) else {
        panic!("nobody was taken\n{}", story(&world));
    };
    let mut state = world.oracle.state.clone();
    let release = Command::ReleaseSlot {
        node,
        host_is_off: true,
        heard: false,
    };
    assert_eq!(by_the_leader(&mut state, release), Ok(()));
    let back = Command::Rollback { plan, nodes: None };
    assert_eq!(by_the_leader(&mut state, back), Ok(()));
    assert_eq!(state.plans[&plan].status, Status::RolledBack);
}

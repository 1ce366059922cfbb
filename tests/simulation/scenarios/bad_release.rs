//! A release that is bad on one node: it goes back, and with it what the strategy says.

use std::collections::BTreeMap;

use aegis_updates::plans::plan::Status;
use aegis_updates::plans::strategy::OnNodeFailure;

use super::{begun, ends, story};
use crate::setting::{plain, shelve};
use crate::world::host::Behaviour;

#[test]
fn with_rollback_all_both_nodes_go_back() {
    for bad in [
        Behaviour::NeverHealthy,
        Behaviour::CrashesAtStart,
        Behaviour::WrongVersion,
        Behaviour::DiesAfter { ms: 1_500 },
    ] {
        let mut setting = plain(3);
        // Member 1 leads, so member 3 is the second to be taken.
        shelve(
            &mut setting.shelf,
            "1.1.0",
            Behaviour::Good,
            BTreeMap::from([(2, bad)]),
        );
        setting.strategy.on_node_failure = OnNodeFailure::RollbackAll;
        setting.asked.truncate(1);
        let mut world = begun(3, setting);
        ends(&mut world, &Status::RolledBack);
        for member in &world.members {
            assert_eq!(
                member.host.installed,
                Some(world.setting.old),
                "{bad:?}\n{}",
                story(&world)
            );
        }
        let runs = world
            .members
            .iter()
            .map(|member| member.host.runs)
            .collect::<Vec<_>>();
        assert_eq!(
            (runs[0], runs[1]),
            (1, 3),
            "{bad:?}: the first went there and back, the last never moved\n{}",
            story(&world)
        );
    }
}

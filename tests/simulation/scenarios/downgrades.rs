//! I21: what would take a node to an older version is refused up front, when the plan is made and when it starts.

use aegis_updates::base::digest::Digest;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::spec::{Release, Spec};
use aegis_updates::plans::strategy::Strategy;

use super::{by_the_leader, ends, three};

fn asked(version: &str, allow_downgrade: bool) -> Command {
    Command::CreatePlan(Spec {
        release: Release {
            version: version.parse().expect("it is a version"),
            url: format!("http://origin/{version}"),
            sha256: Digest::of(version.as_bytes()),
        },
        nodes: None,
        strategy: Strategy {
            allow_downgrade,
            ..Strategy::default()
        },
    })
}

/// All nodes run 1.1.0; then somebody puts 1.2.0 there by another way.
#[test]
fn a_downgrade_without_permission_is_refused_at_create_and_at_execute() {
    let mut world = three(1);
    ends(&mut world, &Status::Completed);
    let mut state = world.oracle.state.clone();
    let older = |result: &Result<(), Refusal>| matches!(result, Err(Refusal::Downgrade { .. }));

    let refused = by_the_leader(&mut state, asked("1.0.0", false));
    assert!(older(&refused), "{refused:?}");
    assert_eq!(by_the_leader(&mut state, asked("1.0.0", true)), Ok(()));

    assert_eq!(by_the_leader(&mut state, asked("1.1.5", false)), Ok(()));
    let plan = *state.plans.keys().next_back().expect("one was made");
    let node = state.nodes.values_mut().next().expect("there is a node");
    node.database.version = Some("1.2.0".to_owned());
    let execute = Command::Execute {
        plan,
        revision: None,
    };
    let refused = by_the_leader(&mut state, execute);
    assert!(older(&refused), "{refused:?}");
    assert_eq!(state.plans[&plan].status, Status::Pending);
}

//! The new file is in place and the old process still runs: it ignored the stop.

use aegis_updates::base::failure::Class;
use aegis_updates::fleet::observation::{Answer, Observation, Report};
use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::{self, Step};

use super::{by, three, until_in};

/// Found by seed 2913: it ran its old binary and was healthy, so it was called rolled back; at its next crash its
/// supervisor started the new one.
#[test]
fn a_node_that_would_start_the_new_binary_is_not_back() {
    let mut world = three(1);
    until_in(&mut world, Step::Restarting);
    let mut state = world.oracle.state.clone();
    let plan = state.live_plan().expect("a plan is live").clone();
    let restarts = progress::Status::Updating {
        step: Some(Step::Restarting),
    };
    let mut nodes = plan.nodes.iter();
    let found = nodes.find(|(_, node)| node.status == restarts);
    let (name, before) = found.expect("a node restarts");
    let old = before.rollback_target.clone().expect("it has one");
    let node = state.nodes[name].clone();
    let mut database = node.database.clone();
    database.digest = Some(old.digest);
    database.version = Some(old.version);
    database.installed = plan.target_of(name).map(|target| target.digest);
    (database.healthy, database.drained) = (true, false);
    let answer = Answer::Failed {
        step: Step::Restarting,
        class: Class::LauncherActivationFailed,
        detail: "it ignores SIGTERM".to_owned(),
    };
    let failed = Command::Observe(Observation {
        node: name.clone(),
        generation: node.generation,
        sequence: node.sequence + 1,
        database,
        report: Report::Answered {
            answer,
            acted: true,
        },
    });
    assert_eq!(by(&mut state, node.member, failed), Ok(()));
    assert!(state.nodes[name].slot.is_none(), "a healthy node frees it");
    let plan = &state.plans[&plan.id];
    assert_eq!(plan.status, Status::RollingBack);
    let status = &plan.nodes[name].status;
    assert!(
        matches!(status, progress::Status::Failed { .. }),
        "{}: nobody would put its file back",
        status.name()
    );
}

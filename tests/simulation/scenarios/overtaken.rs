//! A host that could not report for long drops what tells only where it is, and keeps its answer: the answer is
//! then the first that the log hears of the generation.

use aegis_updates::fleet::observation::{Answer, Observation, Report};
use aegis_updates::machine::command::Command;
use aegis_updates::plans::progress::Status;

use super::{PLAN_MS, by, story, three};

#[test]
fn an_answer_without_its_steps_is_believed() {
    let mut world = three(1);
    let live = world.run_until(PLAN_MS, |world| world.oracle.state.live_plan().is_some());
    assert!(live, "{}", story(&world));
    let mut state = world.oracle.state.clone();
    let plan = state.live_plan().expect("it is live").clone();
    let (name, progress) = plan.nodes.first_key_value().expect("it has nodes");
    assert_eq!(progress.status, Status::Pending);
    let node = &state.nodes[name];
    let target = plan.target_of(name).expect("an update has a target");
    let mut database = node.database.clone();
    (database.digest, database.version) = (Some(target.digest), Some(target.version));
    let report = Report::Answered {
        answer: Answer::AlreadyThere,
        acted: false,
    };
    let seen = Observation {
        node: name.clone(),
        generation: node.generation,
        sequence: node.sequence + 70,
        database,
        report,
    };
    let member = node.member;
    assert_eq!(by(&mut state, member, Command::Observe(seen)), Ok(()));
    let status = &state.plans[&plan.id].nodes[name].status;
    assert_eq!(*status, Status::Updated);
}

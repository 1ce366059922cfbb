//! Stories with a name and a known end: no chance in what goes wrong, only in latencies.

mod bad_release;
mod change_of_leader;
mod clocks;
mod down_when_taken_back;
mod downgrades;
mod endless_notice;
mod going_back;
mod half_installed;
mod needs_operator;
mod outages;
mod overtaken;
mod plain_roll;
mod recovered;
mod released;
mod retried;
mod sick_after_the_end;
mod skipped;
mod stale_evidence;
mod strayed;

use aegis_updates::access::principal::Principal;
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::fleet::intent::Evidence;
use aegis_updates::machine::apply::apply;
use aegis_updates::machine::command::{Command, Purpose, Take};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::State;
use aegis_updates::machine::submission::{Position, Submission};
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::{self, Step};

use crate::invariants::i11;
use crate::setting::{Setting, plain};
use crate::world::World;

/// Long enough for any of these plans, with its deadlines.
const PLAN_MS: u64 = 400_000;

fn begun(seed: u64, setting: Setting) -> World {
    let mut world = World::new(seed, setting, true);
    world.form();
    world
}

fn three(seed: u64) -> World {
    begun(seed, plain(3))
}

fn first_plan(world: &World) -> Option<&Status> {
    world
        .oracle
        .state
        .plans
        .values()
        .next()
        .map(|plan| &plan.status)
}

/// Runs until some node is in this step.
fn until_in(world: &mut World, step: Step) {
    let wanted = progress::Status::Updating { step: Some(step) };
    let reached = world.run_until(PLAN_MS, |world| {
        let plan = world.oracle.state.plans.values().next();
        plan.is_some_and(|plan| plan.nodes.values().any(|node| node.status == wanted))
    });
    assert!(reached, "no node reached {step}\n{}", story(world));
}

fn ends(world: &mut World, wanted: &Status) {
    let done = world.run_until(PLAN_MS, |world| {
        first_plan(world).is_some_and(Status::is_final)
    });
    assert!(done, "the plan did not end\n{}", story(world));
    assert_eq!(first_plan(world), Some(wanted), "{}", story(world));
}

/// Starts of each database, the one before the plan included.
fn starts(world: &World) -> Vec<usize> {
    let count = |number| {
        world
            .truth
            .hosts
            .get(&MemberId(number))
            .map_or(0, |seen| seen.starts.len())
    };
    (1..=world.members.len() as u64).map(count).collect()
}

/// Applies one entry of the state's own leader.
fn by_the_leader(state: &mut State, command: Command) -> Result<(), Refusal> {
    let member = state.head.term.leader.expect("somebody leads");
    by(state, member, command)
}

fn by(state: &mut State, member: MemberId, command: Command) -> Result<(), Refusal> {
    after_silence(state, 0, member, command)
}

/// The same, made so long after its leader had applied the entry before it.
fn after_silence(
    state: &mut State,
    elapsed_ms: u64,
    member: MemberId,
    command: Command,
) -> Result<(), Refusal> {
    let position = Position {
        index: 100_000,
        term: state.head.term.number,
        leader: state.head.term.leader.expect("somebody leads"),
    };
    let submission = Submission {
        elapsed_ms,
        run_ms: None,
        wall_ms: 0,
        actor: Principal::Member { member },
        reason: Some("a reason".to_owned()),
        request: None,
        command,
    };
    apply(state, position, &submission).result.map(|_| ())
}

/// Takes `node` back, marked as unhealthy or not, on the evidence that these are healthy.
fn taken_back(
    state: &mut State,
    node: &NodeName,
    marked: bool,
    healthy: impl Fn(&NodeName) -> bool,
) -> Result<(), Refusal> {
    let plan = state.live_plan().expect("it is live").clone();
    let evidence = state.nodes.keys().map(|name| Evidence {
        node: name.clone(),
        healthy: healthy(name),
        age_ms: 0,
    });
    let take = Take {
        plan: plan.id,
        revision: plan.revision,
        node: node.clone(),
        after: state.nodes[node].generation,
        purpose: Purpose::Rollback { marked },
        evidence: evidence.collect(),
    };
    by_the_leader(state, Command::Take(take))
}

fn story(world: &World) -> String {
    format!(
        "{}\n{}\n{:?}",
        world.trace.tail().join("\n"),
        i11::waits(world),
        world.oracle.violation()
    )
}

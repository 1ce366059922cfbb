//! Nodes that are taken back, and what must not keep them there.

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::base::ids::{MemberId, NodeName};
use aegis_updates::base::limits::TAKE_AGE_MAX;
use aegis_updates::fleet::intent::Goal;
use aegis_updates::fleet::view::Sample;
use aegis_updates::machine::command::Command;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::progress::{self, Progress, Step};

use super::{PLAN_MS, ends, story, three};
use crate::world::World;

/// An operator's word, at whoever leads.
fn says(world: &mut World, command: Command) {
    let leader = world.log.leader.expect("somebody leads");
    let id = "operator".to_owned();
    let operator = Principal::Token {
        id,
        role: Role::Admin,
    };
    let reason = Some("a reason".to_owned());
    let appended = world.append(leader, operator, reason, command);
    assert!(appended.is_some(), "{}", story(world));
}

fn turn(world: &mut World) {
    let plan = *world.oracle.state.plans.keys().next().expect("a plan");
    says(world, Command::Rollback { plan, nodes: None });
}

fn going_back(world: &World) -> Vec<(NodeName, MemberId)> {
    let nodes = world.oracle.state.nodes.values();
    let back = nodes.filter(|node| {
        let goal = node.intent.as_ref().map(|intent| &intent.goal);
        node.slot.is_some() && matches!(goal, Some(Goal::Rollback { .. }))
    });
    back.map(|node| (node.name.clone(), node.member)).collect()
}

fn until(world: &mut World, what: &str, within_ms: u64, so: impl Fn(&World) -> bool) {
    let reached = world.run_until(within_ms, so);
    assert!(reached, "{what}\n{}", story(world));
}

fn sicken(world: &mut World, id: MemberId, until_ms: u64) {
    let process = world.member_mut(id).host.process.as_mut();
    process.expect("its database runs").sick_until_ms = until_ms;
}

/// Found by seed 13049: a node soaked, another was taken for being ill, and healed before its begin. Both were
/// healthy then, each counted the other as out, and neither begin was granted; taken anew each time the take grew
/// stale, neither gave its slot back.
#[test]
fn two_healthy_nodes_with_slots_do_not_wait_for_each_other() {
    let mut world = three(1);
    until(&mut world, "a second one rejoins", PLAN_MS, |world| {
        in_status(world, &progress::Status::Updated) == 1 && in_step(world, Step::Rejoining) == 1
    });
    let leader = world.log.leader.expect("somebody leads");
    let updated = |(_, node): &(&NodeName, &Progress)| node.status == progress::Status::Updated;
    let plan = world.oracle.state.live_plan().expect("a plan is live");
    let name = plan
        .nodes
        .iter()
        .find(updated)
        .expect("it is there")
        .0
        .clone();
    let ill = world.oracle.state.nodes[&name].member;
    sicken(&mut world, ill, u64::MAX);
    until(&mut world, "it is seen", PLAN_MS, |world| {
        let host = world.view(leader).hosts[&name].clone();
        in_step(world, Step::Soaking) == 1 && host.fresh_health() == Some(false)
    });
    turn(&mut world);
    until(&mut world, "it is taken", PLAN_MS, |world| {
        going_back(world).contains(&(name.clone(), ill))
    });
    // Of what its host says only the samples come through, until its take is stale.
    world.links.cut(ill, leader);
    sicken(&mut world, ill, 0);
    let stale_ms = world.now + TAKE_AGE_MAX.0 + 2_000;
    while world.now < stale_ms {
        is_heard_well(&mut world, leader, ill);
        world.run_until(500, |_| false);
    }
    world.links.heal();
    ends(&mut world, &Status::RolledBack);
}

fn is_heard_well(world: &mut World, leader: MemberId, id: MemberId) {
    let (now, name) = (world.now, world.member(id).name.clone());
    let lead = world.member_mut(leader).lead.as_mut().expect("it leads");
    let heard = lead.known.get(&name).and_then(|known| known.newest.clone());
    let (_, sample) = heard.expect("it was heard");
    let healthy = true;
    lead.hear(name, Sample { healthy, ..sample }, now);
}

fn in_status(world: &World, wanted: &progress::Status) -> usize {
    let live = world.oracle.state.live_plan().into_iter();
    let nodes = live.flat_map(|plan| plan.nodes.values());
    nodes.filter(|node| node.status == *wanted).count()
}

fn in_step(world: &World, step: Step) -> usize {
    in_status(world, &progress::Status::Updating { step: Some(step) })
}

/// Its begins are refused from the skip on: it stood drained until its host gave it back by itself.
#[test]
fn a_node_skipped_while_it_goes_back_is_put_back_at_once() {
    let mut world = three(1);
    until(&mut world, "two are updated", PLAN_MS, |world| {
        in_status(world, &progress::Status::Updated) == 2
    });
    turn(&mut world);
    until(&mut world, "nobody is taken back", PLAN_MS, |world| {
        !going_back(world).is_empty()
    });
    let (node, _) = going_back(&world).remove(0);
    let plan = *world.oracle.state.plans.keys().next().expect("a plan");
    let skipped = node.clone();
    says(&mut world, Command::SkipNode { plan, node });
    until(&mut world, "it is not put back", 6_000, |world| {
        world.oracle.state.nodes[&skipped].slot.is_none()
    });
}

//! I11: after the faults stop, every plan reaches a final or operator-wait status within the bound of its
//! deadlines, no node is left drained, and no rollback runs into its deadline while its hosts are there.

use aegis_updates::decision::waiting::Wait;
use aegis_updates::fleet::node::Node;
use aegis_updates::fleet::view::ClusterView;
use aegis_updates::machine::command::{Command, Purpose};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::State;
use aegis_updates::plans::gates::Gate;
use aegis_updates::plans::plan::{Plan, Status};
use aegis_updates::plans::progress;

use crate::oracle::Step;
use crate::world::World;
use crate::world::host::Process;
use crate::world::member::Member;

/// What does not rest, if anything.
pub fn unrest(world: &World) -> Option<String> {
    let moving = world.oracle.state.plans.values().find_map(moves);
    if moving.is_some() {
        return moving.map(|what| format!("{what}; {}", waits(world)));
    }
    world
        .members
        .iter()
        .filter(|member| !member.removed && member.has_power())
        .find_map(|member| left_out(member, world.now))
}

pub fn moves(plan: &Plan) -> Option<String> {
    match plan.status {
        Status::InProgress | Status::RollingBack => Some(format!("{} is {}", plan.id, plan.status)),
        Status::Paused { .. } if plan.cancelling => Some(format!("{} is being cancelled", plan.id)),
        _ => None,
    }
}

/// A host that is there, whose database is healthy, and that still keeps traffic away.
pub fn left_out(member: &Member, now_ms: u64) -> Option<String> {
    let host = &member.host;
    let kept_away = host.drained || !host.ready;
    // One that falls ill again and again is not trusted with traffic until it has served for a while.
    let flaps = host.process.as_ref().is_some_and(Process::flaps);
    (kept_away && host.is_healthy(now_ms) && !flaps).then(|| {
        format!(
            "{} is left drained={} ready={}",
            member.name, host.drained, host.ready
        )
    })
}

/// A node that the plan has skipped holds a slot still, or does not serve.
pub fn skipped_is_out(state: &State, plan: &Plan) -> bool {
    let skipped = |name| {
        let node = plan.nodes.get(name);
        node.is_some_and(|node| matches!(node.status, progress::Status::Skipped { .. }))
    };
    let out = |node: &&Node| node.slot.is_some() || !node.database.healthy;
    let mut out = state.nodes.values().filter(out);
    out.any(|node| skipped(&node.name))
}

/// A rollback that ran into its deadline in the quiet phase, though every host was there.
pub fn overdue(detail: &str, hosts_all_there: bool) -> Result<(), String> {
    if hosts_all_there && detail.contains("rollback_deadline passed") {
        return Err(format!(
            "a rollback did not converge without faults: {detail}"
        ));
    }
    Ok(())
}

/// An unhealthy node goes back without waiting for a slot (SPEC §6): neither its leader nor the log may ask for
/// one.
pub fn refused_a_slot(step: &Step<'_>) -> Result<(), String> {
    let (Command::Take(take), Err(Refusal::GateShut { red })) = (step.command, step.result) else {
        return Ok(());
    };
    let marked = take.purpose == Purpose::Rollback { marked: true };
    wants_a_slot(take.node.as_str(), marked && red.gate == Gate::Slot)
}

/// What a leader waits for, against what it saw.
pub fn waits_for_a_slot(state: &State, view: &ClusterView, waits: &[Wait]) -> Result<(), String> {
    let code = format!("gate_{}", Gate::Slot);
    let back = state
        .live_plan()
        .is_some_and(|plan| plan.status == Status::RollingBack);
    for (name, host) in &view.hosts {
        let sick = back && host.fresh_health() == Some(false);
        let waits = waits
            .iter()
            .any(|wait| wait.code == code && wait.subject.as_deref() == Some(name.as_str()));
        wants_a_slot(name.as_str(), sick && waits)?;
    }
    Ok(())
}

fn wants_a_slot(name: &str, so: bool) -> Result<(), String> {
    if so {
        return Err(format!(
            "{name} is unhealthy, and its way back waits for a slot"
        ));
    }
    Ok(())
}

/// What the plan waited for at the leader's last lap.
pub fn waits(world: &World) -> String {
    let waits: Vec<String> = world
        .waits
        .iter()
        .map(|wait| format!("{} {:?}: {}", wait.code, wait.subject, wait.detail))
        .collect();
    format!("waits: {}", waits.join("; "))
}

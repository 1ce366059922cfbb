//! One way of a round, forth or back: a roll under traffic behind HAProxy, the kill if there is one, and
//! what everybody saw of it, judged by the report's verdicts and by the rules on records.

use std::time::Duration;

use aegis_updates::base::ids::PlanId;
use aegis_updates::demo::act::{self, Act};
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::error::Error;
use aegis_updates::demo::haproxy::Haproxy;
use aegis_updates::demo::install::Install;
use aegis_updates::demo::journal::Record;
use aegis_updates::demo::releases::Release;
use aegis_updates::demo::rest::settled;
use aegis_updates::demo::rules;
use aegis_updates::demo::sampler::Sampler;
use aegis_updates::demo::scene::{Order, Scene, Script};
use aegis_updates::demo::tape::{FORMAT, Fault, Header, Line, Plan, Rest, Tape, Traffic};
use aegis_updates::demo::verdict::judge;
use aegis_updates::journal::fact::Fact;
use tokio::time::{Instant, sleep};

use super::script::Kill;
use crate::acts;

/// Of a host to let traffic in again, and of a killed daemon's successor.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a scene waits for its plan.
const REST_WITHIN_MS: u64 = 250_000;
/// The journal is asked this often for the step at which the leader is killed.
const LAP: Duration = Duration::from_millis(40);
/// The database writes its whole file of keys at every write: more would be a test of that.
const WRITE_EVERY: u64 = 4;

/// What one way is to do.
#[derive(Debug)]
pub struct Leg<'a> {
    /// Differs from that of every other in the run.
    pub name: String,
    pub order: Order,
    pub to: &'a Release,
    pub kill: Option<Kill>,
}

#[derive(Debug)]
pub struct Travelled {
    pub plan: PlanId,
    pub act: Act,
    /// Who led, and was killed.
    pub killed: Option<String>,
    pub violations: Vec<String>,
}

pub async fn travel(cluster: &mut Cluster, leg: Leg<'_>) -> Result<Travelled, Error> {
    let before = cluster.installed.clone();
    let clock = cluster.tools.clock;
    let paths = cluster.hosts.iter();
    let paths = paths.map(|host| (host.name.clone(), host.install_path()));
    let install =
        Install::start(paths.collect(), clock).map_err(Error::at("watch", "the install paths"))?;
    let script = Script {
        name: leg.name.clone(),
        title: format!("{} → {}", before.version, leg.to.version),
        order: leg.order,
        quiet: true,
        write_every: WRITE_EVERY,
    };
    let front = Haproxy::start(cluster, crate::AGENT_EVERY)?;
    let mut scene = Scene::begin_behind(Box::new(front), cluster, script).await?;
    let (plan, known) = (scene.plan, scene.journal.records.len());
    let sampler = Sampler::start(cluster.api.clone(), plan.to_string(), clock);
    let fault = match leg.kill {
        Some(kill) => strike(cluster, &mut scene, kill).await?,
        None => None,
    };
    let status = scene.until_ended(cluster).await?;
    let (at_ms, ready) = settled(cluster, || scene.seen(), PATIENCE).await;
    let view = cluster.api.get(&format!("/plans/{plan}"), PATIENCE).await?;
    let mut lines = sampler.finish();
    lines.push(Line::Plan(described(plan, leg.to)));
    lines.extend(fault.clone().map(Line::Fault));
    lines.push(Line::Rest(Rest {
        at_ms,
        plan: plan.to_string(),
        status: status.clone(),
        mixed: view["plan"]["mixed"].as_bool().unwrap_or_default(),
        next: view["plan"]["next"].as_array().map_or(0, Vec::len),
        ready,
    }));
    scene.follow().await?;
    let records = scene.journal.records.clone();
    let mut expected = acts::expected_roll(cluster, leg.to, &before);
    if leg.kill.is_some()
        || leader_fell(
            records.get(known..).unwrap_or_default(),
            plan,
            cluster.hosts.len(),
        )
    {
        expected.order = act::Order::NoneWhileLeading;
    }
    if status == "Completed" {
        cluster.installed = leg.to.clone();
    }
    let act = scene.end(cluster, status, expected).await?;
    let mut tape = Tape {
        header: header(cluster, &before, &act),
        lines,
    };
    tape.add_facts(&records);
    tape.add_seen(&act.seen);
    tape.lines
        .extend(install.finish().into_iter().map(Line::Path));
    let traffic = Traffic::of(&act.load, &act.read_back);
    tape.lines.push(Line::Traffic(traffic));
    tape.write(&cluster.directory().join(format!("{}.jsonl", leg.name)))?;
    Ok(Travelled {
        plan,
        killed: fault.and_then(|fault| fault.daemons.into_iter().next()),
        violations: violations(&act, &tape),
        act,
    })
}

/// Both see some things, each in its own way; what neither finds is well.
fn violations(act: &Act, tape: &Tape) -> Vec<String> {
    let bad = judge(act).into_iter().filter(|verdict| !verdict.ok);
    // The rules reckon with the gaps between the looks.
    let bad = bad.filter(|verdict| verdict.what != "observer");
    let mut found: Vec<String> = bad
        .map(|verdict| format!("{}: {}", verdict.what, verdict.why))
        .collect();
    found.extend(rules::violations(tape));
    found
}

/// Somebody else led before the leader's own node was due: on a busy machine elections come by themselves,
/// and the order follows whoever leads.
fn leader_fell(records: &[Record], plan: PlanId, nodes: usize) -> bool {
    let done = |record: &&Record| matches!(&record.fact, Fact::NodeStatus { plan: of, to, .. } if *of == plan && to == "Updated");
    let last_due = records.iter().filter(done).nth(nodes.saturating_sub(2));
    let opened = |record: &&Record| matches!(record.fact, Fact::TermOpened { .. });
    let first_opened = records.iter().find(opened).map(|record| record.place);
    first_opened.is_some_and(|opened| last_due.is_none_or(|due| opened < due.place))
}

/// Waits for the step, kills the daemon that leads then, and starts it again; `None`: the plan ended before.
async fn strike(
    cluster: &mut Cluster,
    scene: &mut Scene,
    kill: Kill,
) -> Result<Option<Fault>, Error> {
    let end = Instant::now() + 2 * PATIENCE;
    loop {
        let facts = scene.follow().await?;
        let entered = facts.iter().filter(|fact| fact.step == kill.step.name());
        if entered.count() > kill.passed {
            break;
        }
        if scene.has_ended() || Instant::now() >= end {
            return Ok(None);
        }
        sleep(LAP).await;
    }
    let leader = scene.journal.leader().map(ToString::to_string);
    let leader = leader.ok_or_else(|| Error("nobody is known to lead".to_owned()))?;
    let from_ms = cluster.tools.clock.now_ms();
    cluster.host_mut(&leader)?.kill().await?;
    let end = Instant::now() + PATIENCE;
    while kill.after_successor
        && scene
            .journal
            .leader()
            .is_some_and(|now| now.as_str() == leader)
    {
        if Instant::now() >= end {
            return Err(Error(format!("nobody leads after the death of {leader}")));
        }
        scene.follow().await?;
        sleep(LAP).await;
    }
    cluster.start_daemon(&leader)?;
    cluster.answers(&leader).await?;
    Ok(Some(Fault {
        kind: "kill_daemon".to_owned(),
        from_ms,
        until_ms: cluster.tools.clock.now_ms(),
        daemons: [leader].into(),
        databases: [].into(),
        may_fail_plan: false,
    }))
}

fn described(plan: PlanId, release: &Release) -> Plan {
    Plan {
        id: plan.to_string(),
        sha256: release.sha256.clone(),
        version: release.version.clone(),
        sound: true,
        harms_clients: false,
    }
}

fn header(cluster: &Cluster, before: &Release, act: &Act) -> Header {
    Header {
        format: FORMAT,
        cluster: "three daemons beside aegis-server, behind HAProxy".to_owned(),
        nodes: cluster.names(),
        min_available: 2,
        max_unavailable: 1,
        quorum_loss_grace_ms: cluster.tools.timings.quorum_loss_grace.0,
        rest_within_ms: REST_WITHIN_MS,
        installed: before.sha256.clone(),
        from_ms: act.from_ms,
        to_ms: act.to_ms,
    }
}

//! One round from its first request to its last: traffic, plan, trouble, rest, the way back, and the record of
//! it all.

use std::time::Duration;

use aegis_updates::base::duration::Millis;
use aegis_updates::base::ids::PlanId;
use aegis_updates::demo::balancer::Balancer;
use aegis_updates::demo::front::Front;
use aegis_updates::demo::haproxy::Haproxy;
use aegis_updates::demo::install::Install;
use aegis_updates::demo::journal::Journal;
use aegis_updates::demo::load::{self, Load};
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::rest;
use aegis_updates::demo::sampler::Sampler;
use aegis_updates::demo::scene::{CONNECTIONS, RATE_PER_S};
use aegis_updates::demo::tape::{Fault, Line, Plan, Rest, Tape};
use aegis_updates::journal::fact::Fact;
use tokio::time::{Instant, sleep};

use super::evidence;
use super::ground::{GUEST, Ground};
use super::members;
use super::orders::{described, execute, publish, take_back};
use super::script::{Kind, Script, Trouble, Whose};
use super::strike::{leader, strike};
use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_until;

/// A plan that has not come to rest by then is said to be moving still.
pub const REST_WITHIN: Duration = Duration::from_secs(150);
const LAP: Duration = Duration::from_millis(60);
/// Well within the rounds' `drain_grace`.
const AGENT_EVERY: Millis = Millis(250);

/// Everything that looks on while a round is played.
pub struct Watchers {
    pub front: Box<dyn Front>,
    pub load: Load,
    pub observer: Observer,
    pub install: Install,
    pub journal: Journal,
    pub begin: usize,
    pub from_ms: u64,
}

/// What became of a round.
pub struct Played {
    pub tape: Tape,
    /// How the plans ended, in their order.
    pub statuses: Vec<String>,
    /// What the round could not do, or saw going wrong itself.
    pub troubles: Vec<String>,
    /// The trouble came while its plan was moving.
    pub struck: bool,
}

/// With the script's own trouble.
pub async fn play(ground: &mut Ground, script: &Script) -> Played {
    play_with(ground, script, async |ground, observer, target, sha256| {
        strike(ground, observer, script, target, sha256).await
    })
    .await
}

/// With `strike` in its place: it is given whom it befalls, and the digest of the release.
pub async fn play_with<Strike>(ground: &mut Ground, script: &Script, strike: Strike) -> Played
where
    Strike: AsyncFnOnce(&mut Ground, &Observer, &str, &str) -> Result<Fault, String>,
{
    let before = ground.cluster.installed.clone();
    if script.trouble == Trouble::Added {
        ground.invite().await;
    }
    let mut watchers = Watchers::start(ground, script).await;
    let (release, body) = publish(ground, script).await;
    let plan = execute(ground, script, &body).await;
    let sampler = Sampler::start(
        ground.api().clone(),
        plan.to_string(),
        ground.cluster.tools.clock,
    );
    let mut lines = vec![Line::Plan(described(plan, &release, script))];
    let mut troubles = Vec::new();
    let target = whom(ground, &mut watchers, script, plan).await;
    let struck = match target {
        Some(target) => {
            let observer = &watchers.observer;
            Some(strike(ground, observer, &target, &release.sha256).await)
        }
        None => None,
    };
    match struck {
        Some(Ok(ref fault)) => lines.push(Line::Fault(fault.clone())),
        Some(Err(ref why)) => troubles.push(why.clone()),
        None => {}
    }
    let rest = come_to_rest(ground, &mut watchers, plan).await;
    let mut statuses = vec![rest.status.clone()];
    lines.push(Line::Rest(rest));
    lines.extend(sampler.finish());
    if statuses == ["Completed"] {
        ground.cluster.installed = release.clone();
    }
    if statuses == ["Completed"] && script.back {
        let back = take_back(ground, script, plan).await;
        let line = Plan {
            // What does not obey a stop is in the way of the release before, too.
            sound: script.release != Kind::IgnoreTerm,
            harms_clients: false,
            ..described(back, &before, script)
        };
        lines.push(Line::Plan(line));
        let rest = come_to_rest(ground, &mut watchers, back).await;
        if rest.status == "Completed" {
            ground.cluster.installed = before.clone();
        }
        statuses.push(format!("back {}", rest.status));
        lines.push(Line::Rest(rest));
    }
    if script.trouble == Trouble::Added {
        match ground.guest.take() {
            // Its step was never reached.
            Some(_) => {}
            None => troubles.extend(members::leave(ground).await.err()),
        }
        troubles.extend(watchers.touched(GUEST).await);
    }
    let tape = evidence::gather(ground, watchers, lines, &before).await;
    Played {
        tape,
        statuses,
        troubles,
        struck: matches!(struck, Some(Ok(_))),
    }
}

impl Watchers {
    async fn start(ground: &Ground, script: &Script) -> Self {
        let cluster = &ground.cluster;
        let clock = cluster.tools.clock;
        let observed = ground.looked_at().map(|host| host.observed()).collect();
        let observer = Observer::start(observed, clock).unwrap();
        stage::all_healthy(cluster, &observer).await;
        let paths = ground.looked_at();
        let paths = paths.map(|host| (host.name.clone(), host.install_path()));
        let install = Install::start(paths.collect(), clock).unwrap();
        let front = front(ground, script).await;
        let all = async || front.in_rotation().len() == cluster.hosts.len();
        wait_until(PATIENCE, "every database is in rotation", all).await;
        let plan = load::Plan {
            balancer: front.address(),
            connections: CONNECTIONS,
            rate_per_s: RATE_PER_S,
            write_every: load::WRITE_EVERY,
            prefix: format!("round-{}", script.seed),
        };
        let load = Load::start(&plan, clock);
        wait_until(PATIENCE, "the load runs", async || load.sent() > 50).await;
        let mut journal = Journal::new(cluster.api.clone());
        journal.read_on().await.unwrap();
        Self {
            begin: journal.records.len(),
            from_ms: clock.now_ms(),
            front,
            load,
            observer,
            install,
            journal,
        }
    }

    /// Says so when a plan took a node that is part of none.
    async fn touched(&mut self, name: &str) -> Option<String> {
        let facts = self.facts().await;
        let taken = facts
            .iter()
            .find(|fact| matches!(fact, Fact::Taken { node, .. } if node.as_str() == name));
        taken.map(|fact| format!("{name} is in no plan: {fact:?}"))
    }

    /// Facts since the round began; what cannot be read now is read at the next look.
    async fn facts(&mut self) -> Vec<Fact> {
        let _ = self.journal.read_on().await;
        let records = self.journal.records[self.begin..].iter();
        records.map(|record| record.fact.clone()).collect()
    }
}

async fn front(ground: &Ground, script: &Script) -> Box<dyn Front> {
    let cluster = &ground.cluster;
    if script.haproxy {
        return Box::new(Haproxy::start(cluster, AGENT_EVERY).unwrap());
    }
    let backends = cluster.hosts.iter().map(|host| host.backend()).collect();
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let balancer = Balancer::start(any, backends, cluster.tools.clock);
    Box::new(balancer.await.unwrap())
}

/// Waits for the step; who is then to be struck. `None`: the plan ended before.
async fn whom(
    ground: &Ground,
    watchers: &mut Watchers,
    script: &Script,
    plan: PlanId,
) -> Option<String> {
    let end = Instant::now() + REST_WITHIN;
    let in_hand = loop {
        let facts = watchers.facts().await;
        let mut entered = facts.iter().filter_map(|fact| match fact {
            Fact::StepEntered { node, step, .. }
                if script.trouble != Trouble::FlipStaged && *step == script.step =>
            {
                Some(node.to_string())
            }
            Fact::NodeStatus { node, to, .. }
                if script.trouble == Trouble::FlipStaged && to == "Staged" =>
            {
                Some(node.to_string())
            }
            _ => None,
        });
        if let Some(node) = entered.nth(script.passed as usize) {
            break node;
        }
        if ended(&facts, plan).is_some() || Instant::now() >= end {
            return None;
        }
        sleep(LAP).await;
    };
    let leads = watchers.journal.leader().map(ToString::to_string);
    Some(match script.whose {
        _ if script.trouble == Trouble::Added => GUEST.to_owned(),
        _ if !script.trouble.keeps_backups() => members::leaver(ground, &in_hand, leads.as_deref()),
        Whose::InHand => in_hand,
        Whose::Leader => match leads {
            Some(leads) => leads,
            None => leader(ground).await,
        },
        Whose::Other => {
            let names = ground.cluster.names();
            let other = names.into_iter().find(|name| *name != in_hand);
            other.unwrap()
        }
    })
}

/// The last status of a plan with which it rests.
fn ended(facts: &[Fact], plan: PlanId) -> Option<String> {
    let last = facts.iter().rev().find_map(|fact| match fact {
        Fact::PlanStatus { plan: of, to, .. } if *of == plan => Some(to.clone()),
        _ => None,
    })?;
    let rests = ["Completed", "Failed", "RolledBack", "Cancelled", "Paused"];
    rests.contains(&last.as_str()).then_some(last)
}

/// Until the plan has ended or waits for somebody, and every host that can lets traffic in.
async fn come_to_rest(ground: &mut Ground, watchers: &mut Watchers, plan: PlanId) -> Rest {
    let end = Instant::now() + REST_WITHIN;
    let mut ended_status = None;
    while Instant::now() < end {
        ground.restart_ended().await;
        ended_status = ended(&watchers.facts().await, plan);
        if ended_status.is_some() {
            break;
        }
        sleep(LAP).await;
    }
    let seen = || watchers.observer.record();
    let (at_ms, ready) = rest::settled(&ground.cluster, seen, PATIENCE).await;
    let path = format!("/plans/{plan}");
    let view = ground.api().get(&path, PATIENCE).await.unwrap_or_default();
    let view = &view["plan"];
    Rest {
        at_ms,
        plan: plan.to_string(),
        status: ended_status
            .or_else(|| view["status"].as_str().map(str::to_owned))
            .unwrap_or_default(),
        mixed: view["mixed"].as_bool().unwrap_or_default(),
        next: view["next"].as_array().map_or(0, Vec::len),
        ready,
    }
}

//! One act as it runs: traffic and observer from before the first step to after the last, the plan
//! through the public API, the journal followed meanwhile. What happens beside the plan is acts.rs's.

use std::time::Duration;

use serde_json::{Value, json};

use super::act::{Act, Expected};
use super::balancer::{Balancer, What};
use super::cluster::Cluster;
use super::error::Error;
use super::front::Front;
use super::journal::Journal;
use super::live::Live;
use super::load::{self, Load};
use super::observer::Observer;
use super::passes::StepFact;
use super::read_back::read_back;
use super::record::{Health, Record};
use super::wait::{wait_for, wait_until};
use crate::base::ids::PlanId;
use crate::journal::fact::Fact;

/// The load's promise is 200 a second on 8 connections; the rest is slack for a busy machine, on which
/// 8 connections that wait for each answer would not reach it.
pub const RATE_PER_S: u32 = 240;
pub const CONNECTIONS: u32 = 24;
pub const RATE_MIN_PER_S: f64 = 200.0;
/// Before the first step and after the last.
const REQUESTS_AROUND: usize = 100;

/// Everything within it is a matter of seconds; a loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(60);
/// A whole plan.
const PLAN_PATIENCE: Duration = Duration::from_secs(180);
const LAP: Duration = Duration::from_millis(100);

const ENDED: [&str; 4] = ["Completed", "Failed", "RolledBack", "Cancelled"];

/// The name and title of an act, and what its plan is.
#[derive(Debug, Clone)]
pub struct Script {
    /// Begins the keys of its writes: two acts on the same databases have two names.
    pub name: String,
    pub title: String,
    pub order: Order,
    pub quiet: bool,
    pub write_every: u64,
}

impl Script {
    /// Told live, under the load that every act has.
    pub fn new(name: &str, title: String, order: Order) -> Self {
        Self {
            name: name.to_owned(),
            title,
            order,
            quiet: false,
            write_every: load::WRITE_EVERY,
        }
    }
}

/// How the plan comes to be.
#[derive(Debug, Clone)]
pub enum Order {
    /// `POST /plan` with this body, then `/execute`.
    Roll(Value),
    /// `POST /plans/{id}/rollback` of a plan that has ended.
    Rollback(PlanId),
}

/// An act that runs.
#[derive(Debug)]
pub struct Scene {
    pub live: Live,
    pub journal: Journal,
    pub plan: PlanId,
    /// Records that were there before the act.
    begin: usize,
    shown: Shown,
    led_at_start: Option<String>,
    observer: Observer,
    front: Box<dyn Front>,
    load: Load,
    script: Script,
}

/// What was printed already.
#[derive(Debug, Default)]
struct Shown {
    records: usize,
    turns: usize,
    failed: usize,
}

impl Scene {
    /// Sets traffic and observer going behind a balancer of the demo's own, then starts the plan.
    pub async fn begin(cluster: &Cluster, script: Script) -> Result<Self, Error> {
        let backends = cluster.hosts.iter().map(|host| host.backend()).collect();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let balancer = Balancer::start(any, backends, cluster.tools.clock)
            .await
            .map_err(Error::at("start", "the balancer"))?;
        Self::begin_behind(Box::new(balancer), cluster, script).await
    }

    pub async fn begin_behind(
        front: Box<dyn Front>,
        cluster: &Cluster,
        script: Script,
    ) -> Result<Self, Error> {
        let clock = cluster.tools.clock;
        let observed = cluster.hosts.iter().map(|host| host.observed()).collect();
        let observer =
            Observer::start(observed, clock).map_err(Error::at("start", "the observer"))?;
        all_healthy(cluster, &observer).await?;
        all_in_rotation(cluster, front.as_ref()).await?;
        let load = Load::start(
            &load::Plan {
                balancer: front.address(),
                connections: CONNECTIONS,
                rate_per_s: RATE_PER_S,
                write_every: script.write_every,
                prefix: format!("act-{}", script.name),
            },
            clock,
        );
        wait_until(PATIENCE, "the load runs", async || {
            load.sent() > REQUESTS_AROUND
        })
        .await?;
        let mut journal = Journal::new(cluster.api.clone());
        journal.read_on().await?;
        let begin = journal.records.len();
        let led_at_start = journal.leader().map(ToString::to_string);
        let live = Live::starting_now(clock, script.quiet);
        live.now("demo", &format!("act {}: {}", script.name, script.title));
        let plan = start_plan(cluster, &script.order, &script.name).await?;
        Ok(Self {
            live,
            journal,
            plan,
            begin,
            shown: Shown {
                records: begin,
                ..Shown::default()
            },
            led_at_start,
            observer,
            front,
            load,
            script,
        })
    }

    /// Reads the journal on and prints what is new; the facts of this act so far.
    pub async fn follow(&mut self) -> Result<Vec<StepFact>, Error> {
        self.journal.read_on().await?;
        let records = self.journal.records.get(self.shown.records..);
        for record in records.unwrap_or_default() {
            if let Some(line) = self.journal.line(record) {
                self.live.at(record.at_ms, &line);
            }
        }
        self.shown.records = self.journal.records.len();
        self.show_traffic();
        let records = self.journal.records.get(self.begin..).unwrap_or_default();
        Ok(records
            .iter()
            .filter_map(|record| self.journal.step(record))
            .collect())
    }

    /// Follows until the plan has ended; its status then, or the last one before patience ended.
    pub async fn until_ended(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let deadline = tokio::time::Instant::now() + PLAN_PATIENCE;
        loop {
            self.follow().await?;
            let status = self.status();
            if self.has_ended() {
                return Ok(status);
            }
            if let Some(why) = cluster.daemon_ended() {
                return Err(Error(why));
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(format!("{status} still after {PLAN_PATIENCE:?}"));
            }
            tokio::time::sleep(LAP).await;
        }
    }

    /// Lets the load go on for a while after the last step, then gathers what everybody saw.
    pub async fn end(
        mut self,
        cluster: &Cluster,
        status: String,
        expected: Expected,
    ) -> Result<Act, Error> {
        let after = self.load.sent();
        let went_on = async || self.load.sent() > after + REQUESTS_AROUND;
        wait_until(PATIENCE, "the load went on", went_on).await?;
        let facts = self.follow().await?;
        let log = self.load.finish().await;
        self.live
            .now("demo", "load ended, reading every write back");
        let read_back = read_back(&log.acknowledged, &cluster.databases()).await;
        let seen = self.observer.finish().await;
        Ok(Act {
            name: format!("act {}", self.script.name),
            title: self.script.title,
            from_ms: self.live.from_ms,
            to_ms: self.live.clock.now_ms(),
            status,
            facts,
            led_at_start: self.led_at_start,
            connections: CONNECTIONS,
            load: log,
            read_back,
            balancer: self.front.events(),
            seen,
            expected,
        })
    }

    /// As far as the journal was followed.
    pub fn has_ended(&self) -> bool {
        ENDED.contains(&self.status().as_str())
    }

    /// What the observer saw so far.
    pub fn seen(&self) -> Record {
        self.observer.record()
    }

    /// The plan's status as the journal tells it.
    fn status(&self) -> String {
        let of_plan = |fact: &Fact| match fact {
            Fact::PlanStatus { plan, to, .. } if *plan == self.plan => Some(to.clone()),
            _ => None,
        };
        let mut records = self.journal.records.iter();
        let last = records.rfind(|record| of_plan(&record.fact).is_some());
        last.and_then(|record| of_plan(&record.fact))
            .unwrap_or_else(|| "Pending".to_owned())
    }

    fn show_traffic(&mut self) {
        let events = self.front.events();
        for event in events.get(self.shown.turns..).unwrap_or_default() {
            let what = match &event.what {
                What::Joined { .. } => "in rotation",
                What::Left { .. } => "out of rotation",
                What::Failed { .. } => continue,
            };
            let line = format!("{:<9} {:<9} {what}", event.backend, "balancer");
            self.live.at(event.at_ms, &line);
        }
        self.shown.turns = events.len();
        let failed = self.load.failed();
        if failed > self.shown.failed {
            self.live
                .now("clients", &format!("{failed} requests have failed"));
            self.shown.failed = failed;
        }
    }
}

async fn all_healthy(cluster: &Cluster, observer: &Observer) -> Result<(), Error> {
    let healthy = |name: &String| {
        let record = observer.record();
        matches!(
            record.health_at(name, u64::MAX),
            Some(Health::Healthy { .. })
        )
    };
    let names = cluster.names();
    let what = "every database is healthy";
    wait_until(PATIENCE, what, async || names.iter().all(healthy)).await
}

async fn all_in_rotation(cluster: &Cluster, front: &dyn Front) -> Result<(), Error> {
    let count = cluster.hosts.len();
    let what = "every database is in the balancer's rotation";
    wait_until(PATIENCE, what, async || front.in_rotation().len() == count).await
}

/// Creates and executes; refused for gates that are not green yet, it is executed again.
async fn start_plan(cluster: &Cluster, order: &Order, key: &str) -> Result<PlanId, Error> {
    let api = &cluster.api;
    let run = cluster.tools.clock.now_us();
    let (path, body) = match order {
        Order::Roll(body) => ("/plan".to_owned(), body.clone()),
        Order::Rollback(plan) => (format!("/plans/{plan}/rollback"), json!({})),
    };
    let created = api
        .post(&path, &body, &format!("demo-{key}-{run}"), PATIENCE)
        .await?;
    let plan = created
        .pointer("/plan/id")
        .and_then(Value::as_str)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Error(format!("POST {path} named no plan: {created}")))?;
    if matches!(order, Order::Rollback(_)) {
        return Ok(plan);
    }
    let body = json!({ "plan_id": plan });
    let mut tries = 0;
    wait_for(PATIENCE, "the plan is executed", async || {
        tries += 1;
        let key = format!("demo-{key}-{run}-execute-{tries}");
        api.post("/execute", &body, &key, PATIENCE).await.ok()
    })
    .await?;
    Ok(plan)
}

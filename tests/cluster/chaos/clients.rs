//! Clients at any member: they read, leave traces, and steer plans as operators do. Each waits for one answer
//! at a time and writes down what it was told.

use std::sync::Arc;
use std::time::Duration;

use aegis_updates::base::ids::{MemberId, NodeName, PlanId};
use aegis_updates::control::service::{Consistency, Service, Unavailable};
use aegis_updates::machine::command::Command;
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::plans::plan::{Direction, Plan, Status};
use aegis_updates::plans::progress;
use aegis_updates::plans::spec::Spec;
use tokio::sync::watch;
use tokio::time::sleep;

use super::checks::registers::Did;
use super::random::Random;
use super::setting::shelve;
use super::world::World;

/// Plans that one round may make; those of operators who take a finished one back not counted.
const PLANS_MAX: usize = 6;

/// One person with a terminal.
pub struct Client {
    pub world: Arc<World>,
    pub random: Random,
    /// How many in a hundred requests steer.
    pub steers: u64,
    /// Between two requests, in milliseconds, at least and at most.
    pub pause: (u64, u64),
    pub traces: u64,
    pub number: u64,
}

impl Client {
    pub async fn run(mut self, stop: watch::Receiver<bool>) {
        let mut known = None;
        while !*stop.borrow() {
            let (least, most) = self.pause;
            let pause = self.random.between(least, most);
            sleep(Duration::from_millis(pause)).await;
            let drawn = self.random.between(0, 99);
            match &known {
                Some(state) if drawn < self.steers => self.steer(&Arc::clone(state)).await,
                _ if drawn < self.steers + 15 => self.leave_trace().await,
                _ => known = self.read().await.or(known),
            }
        }
    }

    async fn read(&self) -> Option<Arc<State>> {
        let began_ns = self.world.history.now_ns();
        let asked = self.world.any();
        let read = self.world.on(&asked, async move |station| {
            station.read(Consistency::Linearizable).await
        });
        let state = read.await?.ok()?.state;
        self.world.history.read(began_ns, &state);
        if state.head.applied.is_multiple_of(4) {
            self.world.watch.compare(MemberId(0), &state);
        }
        // A copy: the members' own is theirs to change.
        Some(Arc::new(State::clone(&state)))
    }

    async fn steer(&mut self, state: &State) {
        let drawn = self.random.between(0, 99);
        if let Some(plan) = state.live_plan() {
            let steered = match plan.status {
                Status::Paused { of, quorum_lost } => self.of_paused(plan, of, quorum_lost, drawn),
                _ => self.of_moving(plan, drawn),
            };
            if let Some((event, command)) = steered {
                self.say(plan.id, event, command).await;
            }
            return;
        }
        let pending = |plan: &&Plan| plan.status == Status::Pending;
        if let Some(plan) = state.plans.values().find(pending) {
            let (id, revision) = (plan.id, Some(plan.revision));
            let (event, command) = match drawn {
                0..=4 => ("cancel", Command::Cancel { plan: id }),
                _ => ("execute", Command::Execute { plan: id, revision }),
            };
            return self.say(id, event, command).await;
        }
        let last = state.plans.values().next_back();
        match last {
            Some(plan) if drawn < 20 && plan.status.is_final() => {
                let (plan, nodes) = (plan.id, None);
                let command = Command::Rollback { plan, nodes };
                self.say(plan, "rollback", command).await;
            }
            _ if state.plans.len() < PLANS_MAX => self.create().await,
            _ => {}
        }
    }

    async fn create(&mut self) {
        let (number, bad) = (self.world.number(), self.random.percent(40));
        let bad = bad && !self.world.setting.calm;
        let random = &mut self.random;
        let release = self
            .world
            .fleet
            .with(|hosts| shelve(hosts, random, number, bad));
        let spec = Spec {
            release,
            nodes: None,
            strategy: self.world.setting.strategy.clone(),
        };
        self.say(PlanId(0), "create", Command::CreatePlan(spec))
            .await;
    }

    fn of_paused(
        &mut self,
        plan: &Plan,
        of: Direction,
        quorum_lost: bool,
        drawn: u64,
    ) -> Option<(&'static str, Command)> {
        match drawn {
            0..=49 => {
                let back = of == Direction::Back || self.random.percent(20);
                let asked = if back {
                    Direction::Back
                } else {
                    Direction::Forward
                };
                let direction = (quorum_lost || self.random.percent(50)).then_some(asked);
                let plan = plan.id;
                Some(("resume", Command::Resume { plan, direction }))
            }
            50..=64 => retry(plan),
            65..=74 => self.skip(plan, true),
            75..=77 => Some(("cancel", Command::Cancel { plan: plan.id })),
            _ => None,
        }
    }

    fn of_moving(&mut self, plan: &Plan, drawn: u64) -> Option<(&'static str, Command)> {
        let id = plan.id;
        match drawn {
            _ if self.world.setting.calm => None,
            0..=9 => Some(("pause", Command::Pause { plan: id })),
            10 => Some(("cancel", Command::Cancel { plan: id })),
            11..=13 => {
                let nodes = None;
                Some(("rollback", Command::Rollback { plan: id, nodes }))
            }
            14..=21 => retry(plan),
            22..=23 => self.skip(plan, false),
            24..=26 => self.skip(plan, true),
            _ => None,
        }
    }

    /// Any node, or one that failed.
    fn skip(&mut self, plan: &Plan, failed_only: bool) -> Option<(&'static str, Command)> {
        let failed = |status: &progress::Status| {
            matches!(
                status,
                progress::Status::Failed { .. } | progress::Status::NeedsOperator { .. }
            )
        };
        let names = plan.nodes.iter();
        let names = names.filter(|(_, node)| !failed_only || failed(&node.status));
        let names: Vec<NodeName> = names.map(|(name, _)| name.clone()).collect();
        let (plan, node) = (plan.id, self.random.pick(&names)?.clone());
        Some(("skip", Command::SkipNode { plan, node }))
    }

    /// Says it, and writes down what is known of it.
    async fn say(&self, plan: PlanId, event: &'static str, command: Command) {
        let history = &self.world.history;
        let began_ns = history.now_ns();
        let answer = match self.write(None, command).await {
            Ok(answer) => answer,
            Err(Unavailable::OutcomeUnknown) => {
                if let Some(did) = unknown(event) {
                    history.wrote(plan, began_ns, false, did);
                }
                return;
            }
            Err(_) => return,
        };
        history.placed(event, began_ns, answer.index);
        // Another answer changed nothing, and what it met is read often enough.
        let Ok(Reply::Plan { id, revision }) = answer.result else {
            return;
        };
        self.world.met.count(event);
        let did = match event {
            "create" => Did::Created("Pending"),
            "rollback" if id != plan => Did::Created("InProgress"),
            "execute" => Did::Executed { known: true },
            _ => Did::Steered {
                event: of_node(event),
                revision: Some(revision),
            },
        };
        history.wrote(id, began_ns, true, did);
    }
}

fn unknown(event: &'static str) -> Option<Did> {
    match event {
        // It shows as a plan that nobody was told of.
        "create" => None,
        "execute" => Some(Did::Executed { known: false }),
        _ => Some(Did::Steered {
            event: of_node(event),
            revision: None,
        }),
    }
}

fn of_node(event: &'static str) -> &'static str {
    match event {
        "retry" | "skip" => "node",
        _ => event,
    }
}

fn retry(plan: &Plan) -> Option<(&'static str, Command)> {
    let stuck = |status: &progress::Status| {
        matches!(
            status,
            progress::Status::Failed { .. } | progress::Status::Skipped { .. }
        )
    };
    let mut nodes = plan.nodes.iter();
    let (node, _) = nodes.find(|(_, node)| stuck(&node.status))?;
    let (plan, node) = (plan.id, node.clone());
    Some(("retry", Command::RetryNode { plan, node }))
}

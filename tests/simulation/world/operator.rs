//! A person at the keyboard: starts the plans, and now and then steers. Sees what a status page shows.

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::base::ids::{MemberId, NodeName, PlanId};
use aegis_updates::base::limits::RECONNECT_GRACE;
use aegis_updates::machine::command::{Change, Command};
use aegis_updates::plans::plan::{Direction, Plan, Status};
use aegis_updates::plans::progress;
use aegis_updates::plans::spec::Spec;

use super::{Event, World};

impl World {
    pub fn operator(&mut self) {
        if self.now < self.setting.faults_end_ms {
            let gap = self.random.between(500, 6_000);
            self.at_time(self.now + gap, Event::Operator);
            self.act_as_operator();
        }
    }

    fn act_as_operator(&mut self) {
        let state = &self.oracle.state;
        if let Some(plan) = state.live_plan().cloned() {
            return self.steer(&plan);
        }
        if let Some(pending) = state
            .plans
            .values()
            .rfind(|plan| plan.status == Status::Pending)
        {
            let (plan, revision) = (pending.id, Some(pending.revision));
            return self.says("execute", Command::Execute { plan, revision });
        }
        let made = state.plans.len();
        let last = state
            .plans
            .values()
            .next_back()
            .map(|plan| (plan.id, plan.status.clone()));
        if let Some((id, status)) = last
            && status.is_final()
            && self.setting.operator_acts
            && self.random.percent(25)
        {
            return self.says(
                "rollback of a final plan",
                Command::Rollback {
                    plan: id,
                    nodes: None,
                },
            );
        }
        if made < self.setting.asked.len() {
            let release = self.setting.asked[made].clone();
            let strategy = self.setting.strategy.clone();
            self.coverage.releases += 1;
            self.says(
                "create",
                Command::CreatePlan(Spec {
                    release,
                    nodes: None,
                    strategy,
                }),
            );
        } else if self.setting.operator_acts && self.random.percent(30) {
            self.tidy_members();
        }
    }

    fn steer(&mut self, plan: &Plan) {
        let id = plan.id;
        if let Status::Paused { of, quorum_lost } = plan.status {
            if self.random.percent(40) {
                let back = of == Direction::Back || self.random.percent(30);
                let asked = if back {
                    Direction::Back
                } else {
                    Direction::Forward
                };
                let direction = (quorum_lost || self.random.percent(50)).then_some(asked);
                self.says(
                    "resume",
                    Command::Resume {
                        plan: id,
                        direction,
                    },
                );
            }
            return;
        }
        if !self.setting.operator_acts {
            return;
        }
        match self.random.between(0, 99) {
            0..=9 => self.says("pause", Command::Pause { plan: id }),
            10..=12 => self.says("cancel", Command::Cancel { plan: id }),
            13..=17 => self.says(
                "rollback",
                Command::Rollback {
                    plan: id,
                    nodes: None,
                },
            ),
            18..=27 => self.retry(plan),
            28..=31 => {
                let names: Vec<NodeName> = plan.nodes.keys().cloned().collect();
                if let Some(node) = self.random.pick(&names).cloned() {
                    self.says("skip", Command::SkipNode { plan: id, node });
                }
            }
            32..=51 => self.release_slots(id),
            52..=55 => {
                let release = self.setting.asked[0].clone();
                let strategy = self.setting.strategy.clone();
                self.says(
                    "second plan",
                    Command::CreatePlan(Spec {
                        release,
                        nodes: None,
                        strategy,
                    }),
                );
            }
            56..=60 => self.tidy_members(),
            _ => {}
        }
    }

    fn retry(&mut self, plan: &Plan) {
        let stuck = |status: &progress::Status| {
            matches!(
                status,
                progress::Status::Failed { .. } | progress::Status::Skipped { .. }
            )
        };
        let found = plan
            .nodes
            .iter()
            .find(|(_, node)| stuck(&node.status))
            .map(|(name, _)| name.clone());
        if let Some(node) = found {
            self.says(
                "retry",
                Command::RetryNode {
                    plan: plan.id,
                    node,
                },
            );
        }
    }

    /// For a node whose host is off for good the operator may say so; else only the safe form.
    fn release_slots(&mut self, _plan: PlanId) {
        let held: Vec<(NodeName, MemberId)> = self
            .oracle
            .state
            .nodes
            .values()
            .filter(|node| node.slot.is_some())
            .map(|node| (node.name.clone(), node.member))
            .collect();
        if let Some((node, member)) = self.random.pick(&held).cloned() {
            let host_is_off = self.member(member).off_until_ms == Some(u64::MAX);
            let heard = self.leader_heard(&node);
            self.says(
                "release-slot",
                Command::ReleaseSlot {
                    node,
                    host_is_off,
                    heard,
                },
            );
        }
    }

    /// Removes a node whose host is off for good, where enough others stay.
    fn tidy_members(&mut self) {
        let gone = self
            .members
            .iter()
            .find(|member| member.off_until_ms == Some(u64::MAX) && !member.removed);
        if let Some(node) = gone.map(|member| member.name.clone())
            && self.log.members.len() > 2
            && self.oracle.state.nodes.contains_key(&node)
        {
            let reachable = self.leader_heard(&node);
            self.says(
                "remove member",
                Command::OpenMembership {
                    change: Change::Remove { node, reachable },
                },
            );
        }
    }

    fn leader_heard(&self, node: &NodeName) -> bool {
        let lead = self
            .log
            .leader
            .and_then(|leader| self.member(leader).lead.as_ref());
        lead.and_then(|lead| lead.known.get(node))
            .and_then(|known| known.newest.as_ref())
            .is_some_and(|(at, _)| self.now - at <= RECONNECT_GRACE.0)
    }

    /// Whatever member it reaches carries it to the leader.
    pub fn says(&mut self, what: &'static str, command: Command) {
        let Some(leader) = self.log.leader.filter(|leader| self.is_awake(*leader)) else {
            return;
        };
        let opened = self.member(leader).state.head.term.opened;
        if opened && self.member(leader).lead.is_some() {
            let now = self.now;
            self.trace.say(now, format_args!("operator: {what}"));
            *self.coverage.operator.entry(what).or_default() += 1;
            let actor = Principal::Token {
                id: "operator".to_owned(),
                role: Role::Operator,
            };
            self.append(leader, actor, Some("a reason".to_owned()), command);
        }
    }
}

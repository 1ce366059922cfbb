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
            if self.setting.operator_acts && self.random.percent(3) {
                return self.says("cancel", Command::Cancel { plan });
            }
            return self.says("execute", Command::Execute { plan, revision });
        }
        let made = state.plans.len();
        let last = state
            .plans
            .values()
            .next_back()
            .map(|plan| (plan.id, plan.status.clone()));
        if let Some((plan, status)) = last
            && matches!(status, Status::Completed | Status::Failed)
            && self.setting.operator_acts
            && self.random.percent(25)
        {
            self.trouble_for_the_way_back();
            return self.says(
                "rollback of a final plan",
                Command::Rollback { plan, nodes: None },
            );
        }
        if made < self.setting.asked.len() {
            // Now and then the same again: some nodes may be there already.
            let same = made > 0 && self.random.percent(15);
            self.coverage.releases += 1;
            self.create("create", if same { made - 1 } else { made });
        } else if self.setting.operator_acts && self.random.percent(8) {
            self.create("create an older one", 0);
        } else if self.setting.operator_acts && self.random.percent(30) {
            self.tidy_members();
        }
    }

    fn steer(&mut self, plan: &Plan) {
        let id = plan.id;
        if let Status::Paused { of, quorum_lost } = plan.status {
            match self.random.between(0, 99) {
                0..=44 => {
                    let back = of == Direction::Back || self.random.percent(20);
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
                45..=59 => self.retry(plan),
                60..=69 => self.skip(plan, true),
                70..=72 => self.says("cancel", Command::Cancel { plan: id }),
                _ => {}
            }
            return;
        }
        if !self.setting.operator_acts {
            return;
        }
        match self.random.between(0, 99) {
            0..=9 => self.says("pause", Command::Pause { plan: id }),
            10..=10 => self.says("cancel", Command::Cancel { plan: id }),
            13..=14 => self.says(
                "rollback",
                Command::Rollback {
                    plan: id,
                    nodes: None,
                },
            ),
            18..=27 => self.retry(plan),
            28..=29 => self.skip(plan, false),
            30..=33 => self.skip(plan, true),
            34..=51 => self.release_slots(),
            52..=55 => self.create("second plan", 0),
            56..=60 => self.tidy_members(),
            _ => {}
        }
    }

    /// A plan of kind rollback is seldom; what can go wrong in it is not left to chance alone: a member that never
    /// sees it, or a database that falls ill once it is back.
    fn trouble_for_the_way_back(&mut self) {
        if !self.faulty() || !self.random.percent(30) {
            return;
        }
        let Some(&victim) = self.random.pick(&self.present()) else {
            return;
        };
        if self.random.percent(50) {
            self.member_mut(victim).lags_until_ms = self.now + self.random.between(55, 90) * 1_000;
        } else {
            let gap = self.random.between(3_000, 20_000);
            self.at_time(self.now + gap, Event::FallIll(victim));
        }
    }

    fn create(&mut self, what: &'static str, asked: usize) {
        let (release, strategy) = (
            self.setting.asked[asked].clone(),
            self.setting.strategy.clone(),
        );
        let spec = Spec {
            release,
            nodes: None,
            strategy,
        };
        self.says(what, Command::CreatePlan(spec));
    }

    pub fn turn_back(&mut self, plan: PlanId) {
        self.says("rollback", Command::Rollback { plan, nodes: None });
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
            // A second thought, while the node is still to begin.
            if self.random.percent(20) {
                let gap = self.random.between(1, 300);
                self.at_time(self.now + gap, Event::TurnBack(plan.id));
            }
            self.says(
                "retry",
                Command::RetryNode {
                    plan: plan.id,
                    node,
                },
            );
        }
    }

    /// Any node, or one that failed.
    fn skip(&mut self, plan: &Plan, failed_only: bool) {
        let failed = |status: &progress::Status| {
            matches!(
                status,
                progress::Status::Failed { .. } | progress::Status::NeedsOperator { .. }
            )
        };
        let names: Vec<NodeName> = plan
            .nodes
            .iter()
            .filter(|(_, node)| !failed_only || failed(&node.status))
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(node) = self.random.pick(&names).cloned() {
            self.says(
                "skip",
                Command::SkipNode {
                    plan: plan.id,
                    node,
                },
            );
        }
    }

    /// For a node whose host is off for good the operator may say so; else only the safe form.
    fn release_slots(&mut self) {
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

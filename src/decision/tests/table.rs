//! A cluster in which every gate is open: N nodes, one plan in progress, everything heard a moment ago.

use std::collections::BTreeSet;

use crate::access::principal::Principal;
use crate::base::digest::Digest;
use crate::base::duration::Millis;
use crate::base::ids::{Generation, MemberId, NodeName, PlanId};
use crate::decision::decide::{Decision, decide};
use crate::fleet::node::{Node, Slot};
use crate::fleet::observation::Database;
use crate::fleet::view::{ClusterView, Heard, Host, Sample, Voter};
use crate::machine::apply::apply;
use crate::machine::command::{Command, Settings};
use crate::machine::state::{Cluster, State, Term};
use crate::machine::submission::{Position, Submission};
use crate::plans::plan::{Plan, Scope, Status, Turn};
use crate::plans::progress::{self, Progress};
use crate::plans::spec::{Binary, Kind, Release};
use crate::plans::strategy::Strategy;

pub const TERM: u64 = 7;
pub const PLAN: PlanId = PlanId(1);
pub const GRACE_MS: u64 = 10_000;

/// State and view of one look; `n1` leads.
pub struct Table {
    pub state: State,
    pub view: ClusterView,
}

impl Table {
    pub fn of(nodes: u64) -> Self {
        let mut state = State::default();
        let mut view = ClusterView {
            me: Some(MemberId(1)),
            leads: true,
            term: TERM,
            quorum_ack_age: Some(Millis(50)),
            ..ClusterView::default()
        };
        state.head.cluster = Some(Cluster {
            id: "c".to_owned(),
            incarnation: 1,
            settings: Settings {
                quorum_loss_grace_ms: GRACE_MS,
                url_allow: Vec::new(),
                voters_max: 5,
            },
        });
        state.head.term = Term {
            number: TERM,
            leader: Some(MemberId(1)),
            opened: true,
            ..Term::default()
        };
        for number in 1..=nodes {
            let (member, name) = (MemberId(number), name(number));
            state.head.membership.voters.insert(member);
            state.head.membership.members.insert(member);
            view.voters.insert(member, Voter { caught_up: true });
            view.hosts.insert(name.clone(), heard(true));
            state.nodes.insert(name, node(number));
        }
        let mut plan = plan();
        plan.nodes = state
            .nodes
            .keys()
            .map(|name| (name.clone(), staged()))
            .collect();
        state.plans.insert(PLAN, plan);
        Self { state, view }
    }

    pub fn decide(&self) -> Decision {
        decide(&self.state, &self.view)
    }

    /// The leader's own command comes to be applied, a second after the last.
    pub fn commit(&mut self, command: Command) {
        let position = Position {
            index: self.state.head.applied + 1,
            term: TERM,
            leader: MemberId(1),
        };
        let submission = Submission {
            elapsed_ms: 1_000,
            run_ms: None,
            wall_ms: 1_795_000_000_000,
            actor: Principal::Member {
                member: MemberId(1),
            },
            reason: None,
            request: None,
            command,
        };
        let outcome = apply(&mut self.state, position, &submission);
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    }

    /// The node that is taken now; `None` when the proposal is something else, or nothing.
    pub fn taken(&self) -> Option<String> {
        match self.decide().proposal? {
            Command::Take(take) => Some(take.node.to_string()),
            _ => None,
        }
    }

    /// The codes of what is waited for, in order.
    pub fn waits(&self) -> Vec<String> {
        let decision = self.decide();
        assert_eq!(decision.proposal, None);
        decision.waits.into_iter().map(|wait| wait.code).collect()
    }

    pub fn plan(&mut self) -> &mut Plan {
        self.state
            .plans
            .get_mut(&PLAN)
            .expect("the table has its plan")
    }

    pub fn progress(&mut self, number: u64) -> &mut Progress {
        let found = self.plan().nodes.get_mut(&name(number));
        found.expect("the plan has the node")
    }

    pub fn node(&mut self, number: u64) -> &mut Node {
        let found = self.state.nodes.get_mut(&name(number));
        found.expect("the table has the node")
    }

    pub fn host(&mut self, number: u64) -> &mut Host {
        self.view.hosts.entry(name(number)).or_default()
    }

    pub fn sicken(&mut self, number: u64, since_ms: u64) {
        *self.host(number) = Host {
            unhealthy_for: Some(Millis(since_ms)),
            ..heard(false)
        };
    }

    pub fn silence(&mut self, number: u64, since_ms: u64) {
        *self.host(number) = Host {
            heard: Heard::Silent {
                age: Millis(since_ms),
            },
            silent_for: Millis(since_ms),
            ..Host::default()
        };
    }

    pub fn lag(&mut self, number: u64) {
        self.view.voters.insert(MemberId(number), Voter::default());
    }

    pub fn give_slot(&mut self, number: u64) {
        self.node(number).slot = Some(Slot {
            plan: PLAN,
            was_healthy: true,
            ran: Some(Digest::of(b"old")),
            since_run_ms: 0,
        });
    }

    /// These nodes are done.
    pub fn update(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.progress(number).status = progress::Status::Updated;
            self.progress(number).begun = true;
        }
    }

    /// The plan goes back.
    pub fn turn(&mut self) {
        self.plan().status = Status::RollingBack;
        self.plan().turn = Some(Turn {
            scope: Scope::All,
            class: crate::base::failure::Class::ManualRollbackRequested,
            since_run_ms: 0,
        });
    }
}

pub fn name(number: u64) -> NodeName {
    format!("n{number}").parse().expect("a name")
}

fn heard(healthy: bool) -> Host {
    let sample = Sample {
        healthy,
        version: Some("1.0.0".to_owned()),
        digest: Some(Digest::of(b"old")),
        ready: true,
        drained: false,
        safe_to_stop: Ok(()),
        disk_free_bytes: 1 << 30,
        generation: Generation::default(),
        step: None,
    };
    Host {
        heard: Heard::Heard {
            age: Millis(100),
            sample,
        },
        ..Host::default()
    }
}

fn node(number: u64) -> Node {
    let at = |port: u64| format!("127.0.0.1:{}", 1_000 * number + port);
    Node {
        name: name(number),
        member: MemberId(number),
        address: format!("http://{}", at(1)),
        api: at(2),
        peer: at(3),
        zone: None,
        generation: Generation::default(),
        intent: None,
        open: Vec::new(),
        answered: None,
        sequence: 0,
        database: Database::default(),
        slot: None,
        drifted: None,
    }
}

fn staged() -> Progress {
    Progress {
        status: progress::Status::Staged,
        rollback_target: Some(Binary {
            version: "1.0.0".to_owned(),
            digest: Digest::of(b"old"),
        }),
        ..Progress::new(0)
    }
}

fn plan() -> Plan {
    Plan {
        id: PLAN,
        kind: Kind::Update,
        release: Some(Release {
            version: "1.1.0".parse().expect("a version"),
            url: "https://origin/new".to_owned(),
            sha256: Digest::of(b"new"),
        }),
        takes_back: None,
        asked_nodes: None::<BTreeSet<NodeName>>,
        strategy: Strategy::default(),
        revision: 1,
        creator: "operator".to_owned(),
        created_wall_ms: 0,
        executed_wall_ms: Some(0),
        ended_wall_ms: None,
        status: Status::InProgress,
        cancelling: false,
        turn: None,
        notice_until_run_ms: None,
        progressed_run_ms: 0,
        nodes: std::collections::BTreeMap::new(),
        detail: None,
    }
}

//! A formed cluster as the log knows it, every database healthy on the old binary, and one way in: entries.

use std::collections::BTreeSet;

use crate::access::principal::{Principal, Role};
use crate::base::digest::Digest;
use crate::base::ids::{Generation, MemberId, NodeName, PlanId};
use crate::fleet::intent::{Begin, Evidence, Which};
use crate::fleet::node::Node;
use crate::fleet::observation::{Answer, Database, Observation, Rejoin, Report};
use crate::journal::fact::Fact;
use crate::machine::apply::{apply, apply_membership};
use crate::machine::command::{Command, Founder, Purpose, Settings, Take};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};
use crate::machine::submission::{Position, Submission};
use crate::plans::gates::Gate;
use crate::plans::plan::{Plan, Scope, Status};
use crate::plans::progress::{self, Progress};
use crate::plans::spec::{Binary, Release, Spec};
use crate::plans::strategy::Strategy;

pub const PLAN: PlanId = PlanId(1);
pub const WALL: u64 = 1_795_000_000_000;
pub const ALLOWED: &str = "https://a.example/";
const LEADER: MemberId = MemberId(1);

pub struct Log {
    pub state: State,
    pub term: u64,
    pub wall_ms: u64,
    /// What the newest entry recorded.
    pub facts: Vec<Fact>,
}

impl Log {
    /// `n1` founded it and leads.
    pub fn of(nodes: u64) -> Self {
        let mut log = Self {
            state: State::default(),
            term: 7,
            wall_ms: WALL,
            facts: Vec::new(),
        };
        log.lead(Command::OpenTerm { idle_ms: None });
        log.lead(Command::Form(founder()));
        let founded = log.node(1).clone();
        for number in 1..=nodes {
            let node = Node {
                name: name(number),
                member: MemberId(number),
                database: healthy(old()),
                ..founded.clone()
            };
            log.state.nodes.insert(name(number), node);
        }
        let members: Vec<MemberId> = (1..=nodes).map(MemberId).collect();
        let position = log.position();
        apply_membership(&mut log.state, position, &members, &members, false);
        log
    }

    /// A plan of that strategy over all nodes, each of which has the binary.
    pub fn rolling(nodes: u64, strategy: Strategy) -> Self {
        let mut log = Self::staging(nodes, strategy);
        for number in 1..=nodes {
            log.report(
                number,
                Report::Preflight {
                    rollback_target: old(),
                },
            )
            .unwrap();
            log.answer(number, Answer::Staged, false).unwrap();
        }
        log
    }

    pub fn staging(nodes: u64, strategy: Strategy) -> Self {
        let mut log = Self::of(nodes);
        log.order(Command::CreatePlan(spec(strategy))).unwrap();
        log.order(execute()).unwrap();
        log
    }

    fn position(&self) -> Position {
        Position {
            index: self.state.head.applied + 1,
            term: self.term,
            leader: LEADER,
        }
    }

    pub fn enter(&mut self, actor: Principal, command: Command) -> Result<Reply, Refusal> {
        let submission = Submission {
            elapsed_ms: 0,
            run_ms: None,
            wall_ms: self.wall_ms,
            actor,
            reason: None,
            request: None,
            command,
        };
        let position = self.position();
        let outcome = apply(&mut self.state, position, &submission);
        self.facts = outcome
            .facts
            .into_iter()
            .map(|record| record.fact)
            .collect();
        outcome.result
    }

    pub fn member_says(&mut self, number: u64, command: Command) -> Result<Reply, Refusal> {
        let member = MemberId(number);
        self.enter(Principal::Member { member }, command)
    }

    pub fn order(&mut self, command: Command) -> Result<Reply, Refusal> {
        let id = "operator".to_owned();
        let role = Role::Operator;
        self.enter(Principal::Token { id, role }, command)
    }

    /// The leader's command, which is accepted.
    pub fn lead(&mut self, command: Command) {
        let result = self.member_says(LEADER.0, command);
        assert!(result.is_ok(), "{result:?}");
    }

    /// Asked of the log and nothing kept of it.
    pub fn refuses(&self, number: u64, command: Command) -> Option<Refusal> {
        self.again().member_says(number, command).err()
    }

    pub fn again(&self) -> Self {
        Self {
            state: self.state.clone(),
            facts: Vec::new(),
            ..*self
        }
    }

    /// What the node's own host reports of its newest generation.
    pub fn report(&mut self, number: u64, report: Report) -> Result<Reply, Refusal> {
        let node = self.node(number);
        let seen = Observation {
            node: node.name.clone(),
            generation: node.generation,
            sequence: node.sequence + 1,
            database: node.database.clone(),
            report,
        };
        self.member_says(number, Command::Observe(seen))
    }

    pub fn answer(&mut self, number: u64, answer: Answer, acted: bool) -> Result<Reply, Refusal> {
        self.report(number, Report::Answered { answer, acted })
    }

    /// Taken, begun, and past its boundary.
    pub fn works(&mut self, number: u64) {
        self.lead(self.take(number, Purpose::Update, &[]));
        self.begin(number, Which::First).unwrap();
        self.begin(number, Which::Second).unwrap();
    }

    /// Its whole way, to the answer that it runs the plan's binary.
    pub fn update(&mut self, number: u64) {
        self.works(number);
        self.node(number).database = healthy(new());
        self.answer(number, updated(), true).unwrap();
    }

    pub fn begin(&mut self, number: u64, which: Which) -> Result<Reply, Refusal> {
        let begin = self.first(number, which);
        self.member_says(number, begin)
    }

    pub fn first(&self, number: u64, which: Which) -> Command {
        let node = &self.state.nodes[&name(number)];
        let begin = Begin {
            generation: node.generation,
            which,
            attempt: 1,
        };
        let node = node.name.clone();
        Command::Begin { node, begin }
    }

    /// On evidence that saw all nodes, these of them unhealthy.
    pub fn take(&self, number: u64, purpose: Purpose, sick: &[u64]) -> Command {
        let sick: BTreeSet<NodeName> = sick.iter().map(|number| name(*number)).collect();
        let seen = |node: &NodeName| Evidence {
            node: node.clone(),
            healthy: !sick.contains(node),
            age_ms: 100,
        };
        Command::Take(Take {
            plan: PLAN,
            revision: self.state.plans[&PLAN].revision,
            node: name(number),
            after: self.generation(number),
            purpose,
            evidence: self.state.nodes.keys().map(seen).collect(),
        })
    }

    /// The gate that shut before a leader's command.
    pub fn shut(&self, command: Command) -> Option<Gate> {
        match self.refuses(LEADER.0, command) {
            Some(Refusal::GateShut { red }) => Some(red.gate),
            _ => None,
        }
    }

    pub fn is_stale(&self, command: Command) -> bool {
        let refused = self.refuses(LEADER.0, command);
        matches!(refused, Some(Refusal::StaleDecision { .. }))
    }

    pub fn generation(&self, number: u64) -> Generation {
        self.state.nodes[&name(number)].generation
    }

    pub fn plan(&mut self) -> &mut Plan {
        self.state.plans.get_mut(&PLAN).expect("the plan")
    }

    pub fn status(&self) -> Status {
        self.state.plans[&PLAN].status.clone()
    }

    pub fn scope(&self) -> Option<Scope> {
        let turn = self.state.plans[&PLAN].turn.as_ref();
        turn.map(|turn| turn.scope.clone())
    }

    pub fn progress(&mut self, number: u64) -> &mut Progress {
        let found = self.plan().nodes.get_mut(&name(number));
        found.expect("the plan has the node")
    }

    /// Where the node stands in the plan, and for what class of failure.
    pub fn stands(&self, number: u64) -> String {
        let progress = &self.state.plans[&PLAN].nodes[&name(number)];
        match &progress.status {
            progress::Status::Failed { class, .. } => format!("Failed {class}"),
            progress::Status::NeedsOperator { class, .. } => format!("NeedsOperator {class}"),
            status => status.name().to_owned(),
        }
    }

    pub fn node(&mut self, number: u64) -> &mut Node {
        let found = self.state.nodes.get_mut(&name(number));
        found.expect("the cluster has the node")
    }

    pub fn holds_slot(&self, number: u64) -> bool {
        self.state.nodes[&name(number)].slot.is_some()
    }
}

pub fn name(number: u64) -> NodeName {
    format!("n{number}").parse().expect("a name")
}

pub fn old() -> Binary {
    Binary {
        version: "1.0.0".to_owned(),
        digest: Digest::of(b"old"),
    }
}

pub fn new() -> Binary {
    spec(Strategy::default()).release.binary()
}

pub fn healthy(binary: Binary) -> Database {
    Database {
        digest: Some(binary.digest),
        installed: Some(binary.digest),
        version: Some(binary.version),
        healthy: true,
        drained: false,
    }
}

pub fn updated() -> Answer {
    let rejoin = Rejoin::Peers;
    Answer::Updated { rejoin }
}

pub fn spec(strategy: Strategy) -> Spec {
    Spec {
        release: Release {
            version: "1.1.0".parse().expect("a version"),
            url: format!("{ALLOWED}new"),
            sha256: Digest::of(b"new"),
        },
        nodes: None,
        strategy,
    }
}

pub fn execute() -> Command {
    Command::Execute {
        plan: PLAN,
        revision: None,
    }
}

fn founder() -> Founder {
    Founder {
        cluster: "c".to_owned(),
        node: name(1),
        member: LEADER,
        address: "http://127.0.0.1:1".to_owned(),
        api: "127.0.0.1:2".to_owned(),
        peer: "127.0.0.1:3".to_owned(),
        zone: None,
        settings: Settings {
            quorum_loss_grace_ms: 10_000,
            url_allow: vec![ALLOWED.to_owned()],
            voters_max: 5,
        },
        token: None,
    }
}

//! A cluster as the cases need it: formed, with nodes that exist only in the log, and with plans at the
//! stage that a refusal is about. What happens to them is written into the log by the test's own hand.

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::access::secret::Secret;
use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::base::ids::{MemberId, NodeName, PlanId};
use aegis_updates::base::version::Supported;
use aegis_updates::control::peers::wire::SampleAsk;
use aegis_updates::fleet::intent::{Begin, Evidence, Which};
use aegis_updates::fleet::node::Node;
use aegis_updates::fleet::observation::{Answer, Database, Observation, Report};
use aegis_updates::fleet::view::Sample;
use aegis_updates::machine::command::{Command, Founder, Joiner, Purpose, Settings, Take};
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::Reply;
use aegis_updates::machine::submission::{RequestKey, Submission};
use aegis_updates::plans::spec::{Binary, Release, Spec};
use aegis_updates::plans::strategy::Strategy;
use futures_util::stream::{self, StreamExt as _};

use super::rig::{CLUSTER, ME, Rig};

pub const PLAN: PlanId = PlanId(1);
/// Proposals on their way at once where thousands are needed.
const AT_ONCE: usize = 4_096;

pub fn name(number: u64) -> NodeName {
    format!("node-{number}").parse().unwrap()
}

pub fn secret_of(role: Role) -> String {
    format!("aut_{role}")
}

/// What every node runs before a plan.
pub fn old() -> Binary {
    Binary {
        version: "1.0.0".to_owned(),
        digest: Digest::of(b"old"),
    }
}

pub fn spec(nodes: Option<&[u64]>, strategy: Strategy) -> Spec {
    Spec {
        release: Release {
            version: "1.1.0".parse().unwrap(),
            url: "https://ok.example/aegis-1.1.0".to_owned(),
            sha256: Digest::of(b"new"),
        },
        nodes: nodes.map(|numbers| numbers.iter().map(|number| name(*number)).collect()),
        strategy,
    }
}

pub fn joiner(number: u64, token: Digest) -> Joiner {
    Joiner {
        token,
        nonce: Digest::of(format!("nonce {number}").as_bytes()),
        node: name(number),
        address: "http://127.0.0.1:1".to_owned(),
        api: String::new(),
        peer: "127.0.0.1:1".to_owned(),
        zone: None,
    }
}

pub fn join_token(id: &str, secret: Digest) -> Command {
    Command::CreateToken {
        id: id.to_owned(),
        hash: secret,
        grants: Grant::Join,
        ttl_ms: 3_600_000,
    }
}

impl Rig {
    /// A cluster of this many nodes, of which only the first has a member.
    pub async fn of(nodes: u64) -> Self {
        Self::with_voters_max(nodes, 5).await
    }

    pub async fn with_voters_max(nodes: u64, voters_max: usize) -> Self {
        let rig = Self::unformed().await;
        let founder = Founder {
            cluster: CLUSTER.to_owned(),
            node: name(1),
            member: ME,
            address: "http://127.0.0.1:1".to_owned(),
            api: String::new(),
            peer: rig.peer.clone(),
            zone: None,
            settings: Settings {
                quorum_loss_grace_ms: 10_000,
                url_allow: vec!["https://ok.example/".to_owned()],
                voters_max,
            },
            token: None,
        };
        // Through the replica, so that the log's wall clock is the host's.
        let replica = rig.station.replica();
        let formed = replica.submit(replica.own(Command::Form(founder))).await;
        assert!(formed.unwrap().result.is_ok());
        for role in Role::ALL {
            rig.must(
                ME,
                token(&format!("{role}-1"), &secret_of(role), Grant::Role(role)),
            )
            .await;
        }
        for number in 2..=nodes {
            let secret = Digest::of(&number.to_be_bytes());
            rig.must(ME, join_token(&format!("join-{number}"), secret))
                .await;
            rig.must(ME, Command::Join(joiner(number, secret))).await;
        }
        rig
    }

    pub async fn put(&self, member: MemberId, command: Command) -> Result<Reply, Refusal> {
        self.append(&submission(member, command)).await
    }

    pub async fn must(&self, member: MemberId, command: Command) -> Reply {
        let shown = format!("{command:?}");
        match self.put(member, command).await {
            Ok(reply) => reply,
            Err(refusal) => panic!("{shown}: {refusal}"),
        }
    }

    /// All of these, many at once; none may be refused.
    pub async fn must_all(&self, submissions: impl Iterator<Item = Submission>) {
        let put = |submission: Submission| async move { self.append(&submission).await };
        let outcomes = stream::iter(submissions).map(put);
        let refused = outcomes
            .buffer_unordered(AT_ONCE)
            .filter(|outcome| std::future::ready(outcome.is_err()));
        assert_eq!(refused.count().await, 0);
    }

    pub fn node(&self, number: u64) -> Node {
        self.state().nodes[&name(number)].clone()
    }

    /// A report of a node's host about its newest generation.
    pub fn report(&self, number: u64, database: Database, report: Report) -> Observation {
        let node = self.node(number);
        Observation {
            node: node.name,
            generation: node.generation,
            sequence: node.sequence + 1,
            database,
            report,
        }
    }

    pub async fn see(&self, number: u64, database: Database, report: Report) {
        let member = self.node(number).member;
        let seen = self.report(number, database, report);
        self.must(member, Command::Observe(seen)).await;
    }

    pub async fn create(&self, spec: Spec) {
        self.must(ME, Command::CreatePlan(spec)).await;
    }

    pub async fn execute(&self) {
        let execute = Command::Execute {
            plan: PLAN,
            revision: None,
        };
        self.must(ME, execute).await;
    }

    /// Three nodes and a plan over them that waits to be executed.
    pub async fn pending() -> Self {
        let rig = Self::of(3).await;
        rig.create(spec(None, Strategy::default())).await;
        rig
    }

    pub async fn running() -> Self {
        let rig = Self::pending().await;
        rig.execute().await;
        rig
    }

    /// Every node has the new binary and its way back.
    pub async fn staged() -> Self {
        let rig = Self::running().await;
        for number in 1..=3 {
            let rollback_target = old();
            rig.see(number, healthy(), Report::Preflight { rollback_target })
                .await;
            let staged = Report::Answered {
                answer: Answer::Staged,
                acted: false,
            };
            rig.see(number, healthy(), staged).await;
        }
        rig
    }

    pub fn take(&self, number: u64, seen: &[u64]) -> Take {
        let evidence = seen.iter().map(|number| Evidence {
            node: name(*number),
            healthy: true,
            age_ms: 10,
        });
        Take {
            plan: PLAN,
            revision: self.state().plans[&PLAN].revision,
            node: name(number),
            after: self.node(number).generation,
            purpose: Purpose::Update,
            evidence: evidence.collect(),
        }
    }

    /// The second node is in hand.
    pub async fn taken() -> Self {
        let rig = Self::staged().await;
        rig.must(ME, Command::Take(rig.take(2, &[1, 2, 3]))).await;
        rig
    }

    pub fn begin(&self, which: Which, attempt: u64) -> Begin {
        Begin {
            generation: self.node(2).generation,
            which,
            attempt,
        }
    }

    /// The second node is in hand, and its host has begun.
    pub async fn begun() -> Self {
        let rig = Self::taken().await;
        let begin = Command::Begin {
            node: name(2),
            begin: rig.begin(Which::First, 1),
        };
        rig.must(MemberId(2), begin).await;
        rig
    }

    /// The leader has just heard every host, and each said that its database is well.
    pub fn hear(&self) {
        for number in 1..=3 {
            let node = self.node(number);
            let sample = Sample {
                healthy: true,
                version: Some("1.0.0".to_owned()),
                digest: Some(old().digest),
                ready: true,
                drained: false,
                safe_to_stop: Ok(()),
                disk_free_bytes: 1 << 40,
                generation: node.generation,
                step: None,
            };
            let ask = SampleAsk {
                node: node.name,
                sample,
                supports: Some(Supported::FIRST),
                wall_ms: None,
            };
            assert!(self.station.sample(node.member, ask).leads);
        }
    }
}

pub fn healthy() -> Database {
    Database {
        digest: Some(old().digest),
        installed: Some(old().digest),
        version: Some("1.0.0".to_owned()),
        healthy: true,
        drained: false,
    }
}

pub fn token(id: &str, secret: &str, grants: Grant) -> Command {
    Command::CreateToken {
        id: id.to_owned(),
        hash: Secret::from(secret).hash(),
        grants,
        ttl_ms: 3_600_000,
    }
}

/// Without a moment of its own: neither clock moves by it.
pub fn submission(member: MemberId, command: Command) -> Submission {
    Submission {
        elapsed_ms: 0,
        run_ms: None,
        wall_ms: 0,
        actor: Principal::Member { member },
        reason: None,
        request: None,
        command,
    }
}

pub fn keyed(member: MemberId, command: Command, key: &str) -> Submission {
    Submission {
        request: Some(RequestKey {
            key: key.to_owned(),
            body: Digest::of(key.as_bytes()),
        }),
        ..submission(member, command)
    }
}

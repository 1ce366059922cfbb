//! A roll over all nodes as tests of interruptions need it: begun, followed by its facts, and judged by
//! what runs in the end. What interrupts it is not known here.

use aegis_updates::base::ids::PlanId;
use aegis_updates::demo::acts;
use aegis_updates::demo::cluster::Cluster;
use aegis_updates::demo::journal::{Journal, Record};
use aegis_updates::demo::observer::Observer;
use aegis_updates::demo::record::Health;
use aegis_updates::demo::releases::{Recipe, Release};
use aegis_updates::journal::fact::Fact;
use aegis_updates::plans::progress::Step;
use aegis_updates::plans::strategy::OnNodeFailure;
use serde_json::{Value, json};

use crate::stage::{self, PATIENCE};
use crate::support::wait::wait_for;

/// An operator's time to say no, which nobody uses here.
const NOTICE: &str = "2s";
pub const NAMES: [&str; 3] = ["n1", "n2", "n3"];

/// Who is who while one node is updated and the next is in hand; whose daemon leads may change any time.
#[derive(Debug, Clone)]
pub struct Stand {
    pub updated: String,
    pub in_hand: String,
    /// Not taken yet.
    pub last: String,
}

/// A roll to 1.1.0 that has begun.
pub struct Roll {
    pub plan: PlanId,
    /// The body that created it.
    pub body: Value,
    pub old: Release,
    pub new: Release,
    pub journal: Journal,
    pub from_ms: u64,
    begin: usize,
}

impl Roll {
    pub async fn begin(cluster: &Cluster) -> Self {
        let published = cluster.publish(&Recipe::sound("1.1.0"), "1.1.0").await;
        let (new, url) = published.unwrap();
        let mut body = acts::body(cluster, &new, &url, OnNodeFailure::RollbackNode);
        body["strategy"]["rollback_notice"] = json!(NOTICE);
        let mut journal = Journal::new(cluster.api.clone());
        journal.read_on().await.unwrap();
        let begin = journal.records.len();
        let from_ms = cluster.tools.clock.now_ms();
        let plan = execute(cluster, &body).await;
        Self {
            plan,
            body,
            old: cluster.installed.clone(),
            new,
            journal,
            from_ms,
            begin,
        }
    }

    pub async fn until(&mut self, what: &str, is: impl Fn(&Fact) -> bool) -> Record {
        let found = stage::until(&mut self.journal, self.begin, PATIENCE, is).await;
        found.unwrap_or_else(|last| panic!("waited in vain until {what}; last: {last}"))
    }

    /// Waits until the second node enters `step`.
    pub async fn until_second_enters(&mut self, step: Step) -> Stand {
        let is = |fact: &Fact| matches!(fact, Fact::NodeStatus { to, .. } if to == "Updated");
        let updated = match self.until("the first node is Updated", is).await.fact {
            Fact::NodeStatus { node, .. } => node.to_string(),
            other => panic!("another fact: {other:?}"),
        };
        let first = updated.clone();
        let enters = move |fact: &Fact| matches!(fact, Fact::StepEntered { node, step: at, .. } if node.as_str() != first && *at == step);
        let what = format!("the second node enters {step}");
        let in_hand = match self.until(&what, enters).await.fact {
            Fact::StepEntered { node, .. } => node.to_string(),
            other => panic!("another fact: {other:?}"),
        };
        let mut others = NAMES
            .into_iter()
            .filter(|name| *name != updated && *name != in_hand);
        let last = others.next().unwrap().to_owned();
        Stand {
            updated,
            in_hand,
            last,
        }
    }

    /// The status with which the plan ends, or waits for somebody.
    pub async fn end(&mut self) -> String {
        let plan = self.plan;
        let ends = move |fact: &Fact| match fact {
            Fact::PlanStatus { plan: of, to, .. } if *of == plan => {
                ["Completed", "Failed", "RolledBack", "Cancelled", "Paused"].contains(&to.as_str())
            }
            _ => false,
        };
        let record = self.until("the plan ends", ends).await;
        match record.fact {
            Fact::PlanStatus { to, .. } => to,
            other => panic!("another fact: {other:?}"),
        }
    }

    /// Causes of the losses of quorum that the journal tells of.
    pub fn losses(&self) -> Vec<String> {
        let cause = |fact: &Fact| match fact {
            Fact::QuorumLost { plan, cause } if *plan == self.plan => Some(cause.clone()),
            _ => None,
        };
        self.facts().filter_map(cause).collect()
    }

    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.journal.records[self.begin..]
            .iter()
            .map(|record| &record.fact)
    }
}

/// Every database runs `release`, by the digest of its process's executable and by its own word.
pub async fn all_run(cluster: &Cluster, observer: &Observer, release: &Release) {
    stage::all_healthy(cluster, observer).await;
    for name in cluster.names() {
        let digest = wait_for(PATIENCE, "the executable is hashed", async || {
            observer.record().running(&name)?.digest.clone()
        })
        .await;
        assert_eq!(digest, release.sha256, "{name} runs another file");
        let health = observer.record().health_at(&name, u64::MAX).cloned();
        let version = release.version.clone();
        assert_eq!(health, Some(Health::Healthy { version }), "{name}");
    }
}

async fn execute(cluster: &Cluster, body: &Value) -> PlanId {
    let api = &cluster.api;
    let created = api.post("/plan", body, "create", PATIENCE).await.unwrap();
    let plan = created.pointer("/plan/id").and_then(Value::as_str).unwrap();
    let mut tries = 0;
    wait_for(PATIENCE, "the plan is executed", async || {
        tries += 1;
        let key = format!("execute-{tries}");
        let body = json!({ "plan_id": plan });
        api.post("/execute", &body, &key, PATIENCE).await.ok()
    })
    .await;
    plan.parse().unwrap()
}

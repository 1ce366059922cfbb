//! The flags of a plan's strategy. What is not given stays the server's default.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::base::duration::Millis;

#[derive(Debug, Clone, Default, Args)]
pub struct StrategyArgs {
    /// Nodes; all where absent
    #[arg(long, value_delimiter = ',')]
    pub nodes: Vec<String>,
    /// Nodes that may be down at once
    #[arg(long)]
    max_unavailable: Option<u32>,
    /// Healthy databases that must stay
    #[arg(long)]
    min_available: Option<u32>,
    /// Followers by name, or zone by zone; the leader's node last
    #[arg(long, value_enum)]
    order: Option<Order>,
    /// What follows when a node fails: it goes back, all go back, or the plan pauses
    #[arg(long, value_enum)]
    on_node_failure: Option<OnNodeFailure>,
    /// What follows when a host does not answer
    #[arg(long, value_enum)]
    on_unreachable: Option<OnUnreachable>,
    /// What follows when quorum was lost for longer than the cluster's grace
    #[arg(long, value_enum)]
    on_quorum_loss: Option<OnQuorumLoss>,
    /// What follows when leadership cannot be handed over before the leader's node
    #[arg(long, value_enum)]
    on_handoff_failure: Option<OnHandoffFailure>,
    /// Also a version below the running one
    #[arg(long)]
    allow_downgrade: bool,
    /// For a cluster in which no second database could serve
    #[arg(long)]
    allow_downtime: bool,
    /// Also nodes whose installed file is not the running one
    #[arg(long)]
    allow_drift: bool,
    /// How long a node must stay healthy before the next is taken
    #[arg(long)]
    soak: Option<Millis>,
    /// How long balancers get to notice
    #[arg(long)]
    drain_grace: Option<Millis>,
    /// How long connections get to end
    #[arg(long)]
    drain_timeout: Option<Millis>,
    /// How long the database gets to save and stop
    #[arg(long)]
    stop_timeout: Option<Millis>,
    /// How long the new process gets to appear
    #[arg(long)]
    start_timeout: Option<Millis>,
    /// How long it gets to be healthy on the new version
    #[arg(long)]
    verify_deadline: Option<Millis>,
    /// How long the others get to see it again
    #[arg(long)]
    rejoin_deadline: Option<Millis>,
    /// How long balancers get to come back
    #[arg(long)]
    ready_settle: Option<Millis>,
    /// How long an updated node may be unhealthy before it has failed
    #[arg(long)]
    health_grace: Option<Millis>,
    /// How long fetching and checking the binary may take
    #[arg(long)]
    staging_deadline: Option<Millis>,
    /// How long a host may be silent before it counts as unreachable
    #[arg(long)]
    unreachable_after: Option<Millis>,
    /// Without progress for so long the plan pauses
    #[arg(long)]
    progress_deadline: Option<Millis>,
    /// What is not back by then ends the plan as failed
    #[arg(long)]
    rollback_deadline: Option<Millis>,
    /// How long a person has to say no before lost quorum takes everything back
    #[arg(long)]
    rollback_notice: Option<Millis>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Name,
    Zone,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnNodeFailure {
    RollbackNode,
    RollbackAll,
    Pause,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnUnreachable {
    Pause,
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnQuorumLoss {
    RollbackAll,
    Pause,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnHandoffFailure {
    Proceed,
    Pause,
}

impl StrategyArgs {
    /// The body of a creation or preview.
    pub fn body(&self, version: &str, url: &str, sha256: &str) -> Value {
        let mut body = json!({
            "version": version,
            "binary_url": url,
            "sha256": sha256,
            "strategy": self.strategy(),
        });
        if !self.nodes.is_empty() {
            body["nodes"] = json!(self.nodes);
        }
        body
    }

    fn strategy(&self) -> Value {
        let deadlines = given([
            ("staging", duration(self.staging_deadline)),
            ("drain_grace", duration(self.drain_grace)),
            ("drain", duration(self.drain_timeout)),
            ("stop", duration(self.stop_timeout)),
            ("start", duration(self.start_timeout)),
            ("verify", duration(self.verify_deadline)),
            ("rejoin", duration(self.rejoin_deadline)),
            ("ready_settle", duration(self.ready_settle)),
            ("soak", duration(self.soak)),
            ("health_grace", duration(self.health_grace)),
        ]);
        let flag = |set: bool| set.then_some(json!(true));
        let mut strategy = given([
            (
                "max_unavailable",
                self.max_unavailable.map(|count| json!(count)),
            ),
            (
                "min_available",
                self.min_available.map(|count| json!(count)),
            ),
            ("order", self.order.and_then(word)),
            ("on_node_failure", self.on_node_failure.and_then(word)),
            ("on_unreachable", self.on_unreachable.and_then(word)),
            ("on_quorum_loss", self.on_quorum_loss.and_then(word)),
            ("on_handoff_failure", self.on_handoff_failure.and_then(word)),
            ("allow_downgrade", flag(self.allow_downgrade)),
            ("allow_downtime", flag(self.allow_downtime)),
            ("allow_drift", flag(self.allow_drift)),
            ("unreachable_after", duration(self.unreachable_after)),
            ("progress_deadline", duration(self.progress_deadline)),
            ("rollback_deadline", duration(self.rollback_deadline)),
            ("rollback_notice", duration(self.rollback_notice)),
        ]);
        if !deadlines.is_empty() {
            strategy.insert("deadlines".to_owned(), Value::Object(deadlines));
        }
        Value::Object(strategy)
    }
}

fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}

fn duration(given: Option<Millis>) -> Option<Value> {
    given.map(|duration| json!(duration.to_string()))
}

/// `rollback-all` on the command line is `rollback_all` in the API.
fn word(choice: impl ValueEnum) -> Option<Value> {
    let name = choice.to_possible_value()?.get_name().replace('-', "_");
    Some(json!(name))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::StrategyArgs;
    use crate::plans::strategy::{OnNodeFailure, Strategy};

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        strategy: StrategyArgs,
    }

    fn strategy(flags: &[&str]) -> Strategy {
        let words = ["test"].iter().chain(flags);
        let alone = Alone::try_parse_from(words).expect("well-formed");
        serde_json::from_value(alone.strategy.strategy()).expect("the API's names")
    }

    #[test]
    fn flags_are_the_api_s_fields_and_absent_ones_its_defaults() {
        assert_eq!(strategy(&[]), Strategy::default());
        let given = strategy(&[
            "--on-node-failure",
            "rollback-all",
            "--soak",
            "5s",
            "--allow-downtime",
        ]);
        assert_eq!(given.on_node_failure, OnNodeFailure::RollbackAll);
        assert_eq!(given.deadlines.soak.0, 5_000);
        assert!(given.allow_downtime && !given.allow_downgrade);
    }
}

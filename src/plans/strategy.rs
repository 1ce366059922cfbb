//! How a plan runs: budgets, order, deadlines, and what follows a failure.

use serde::{Deserialize, Serialize};

use crate::base::duration::Millis;
use crate::base::limits::{ROLLBACK_NOTICE, UNREACHABLE_AFTER};
use crate::base::numbers::majority;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Strategy {
    /// Nodes that may be down by plan at once, over the whole cluster.
    pub max_unavailable: u32,
    /// Healthy databases that must stay; absent = min(majority, nodes − max_unavailable).
    pub min_available: Option<u32>,
    pub order: Order,
    pub on_node_failure: OnNodeFailure,
    pub on_unreachable: OnUnreachable,
    pub on_quorum_loss: OnQuorumLoss,
    pub on_handoff_failure: OnHandoffFailure,
    /// Allows a version below the running one.
    pub allow_downgrade: bool,
    /// Allows a plan that leaves no database serving for a while (one node).
    pub allow_downtime: bool,
    /// Allows nodes whose installed file is not the running one.
    pub allow_drift: bool,
    pub deadlines: Deadlines,
    pub unreachable_after: Millis,
    pub progress_deadline: Millis,
    pub rollback_deadline: Millis,
    pub rollback_notice: Millis,
}

/// The host's own clocks for one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    pub staging: Millis,
    pub drain_grace: Millis,
    pub drain: Millis,
    /// After `drain`: go on with a warning, or fail.
    pub drain_then: AfterDrain,
    pub flush: Millis,
    pub backup: Millis,
    pub stop: Millis,
    pub start: Millis,
    pub verify: Millis,
    pub rejoin: Millis,
    pub ready_settle: Millis,
    pub soak: Millis,
    pub health_grace: Millis,
    pub health_interval: Millis,
    pub health_timeout: Millis,
    pub health_successes: u32,
    pub staging_retries: u32,
    pub restart_retries: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Followers by name, the leader's node last.
    #[default]
    Name,
    /// One zone after the other; a zone is a wave.
    Zone,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterDrain {
    #[default]
    Proceed,
    Fail,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNodeFailure {
    #[default]
    RollbackNode,
    RollbackAll,
    Pause,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnreachable {
    #[default]
    Pause,
    Skip,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnQuorumLoss {
    #[default]
    RollbackAll,
    Pause,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnHandoffFailure {
    #[default]
    Proceed,
    Pause,
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            max_unavailable: 1,
            min_available: None,
            order: Order::default(),
            on_node_failure: OnNodeFailure::default(),
            on_unreachable: OnUnreachable::default(),
            on_quorum_loss: OnQuorumLoss::default(),
            on_handoff_failure: OnHandoffFailure::default(),
            allow_downgrade: false,
            allow_downtime: false,
            allow_drift: false,
            deadlines: Deadlines::default(),
            unreachable_after: UNREACHABLE_AFTER,
            progress_deadline: Millis::seconds(30 * 60),
            rollback_deadline: Millis::seconds(30 * 60),
            rollback_notice: ROLLBACK_NOTICE,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            staging: Millis::seconds(30 * 60),
            drain_grace: Millis::seconds(7),
            drain: Millis::seconds(60),
            drain_then: AfterDrain::default(),
            flush: Millis::seconds(120),
            backup: Millis::seconds(60),
            stop: Millis::seconds(300),
            start: Millis::seconds(60),
            verify: Millis::seconds(120),
            rejoin: Millis::seconds(60),
            ready_settle: Millis::seconds(5),
            soak: Millis::seconds(30),
            health_grace: Millis::seconds(15),
            health_interval: Millis(200),
            health_timeout: Millis::seconds(2),
            health_successes: 3,
            staging_retries: 5,
            restart_retries: 1,
        }
    }
}

impl Strategy {
    /// The databases that must stay healthy while one more goes down, of `nodes` in the whole cluster.
    pub fn min_available_of(&self, nodes: usize) -> usize {
        let others = nodes.saturating_sub(self.max_unavailable as usize);
        self.min_available
            .map_or(majority(nodes).min(others), |asked| asked as usize)
    }
}

impl Deadlines {
    /// In a rollback nothing soaks: the old release has proven itself.
    pub fn for_rollback(&self) -> Self {
        Self {
            soak: Millis(0),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_floor_is_the_smaller_of_majority_and_the_rest() {
        let floor = |nodes, down| {
            Strategy {
                max_unavailable: down,
                ..Strategy::default()
            }
            .min_available_of(nodes)
        };
        assert_eq!(
            [
                floor(1, 1),
                floor(2, 1),
                floor(3, 1),
                floor(5, 1),
                floor(5, 2),
                floor(5, 3)
            ],
            [0, 1, 2, 3, 3, 2]
        );
    }
}

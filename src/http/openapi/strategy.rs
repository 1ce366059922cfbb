//! How a plan runs, as a client asks for it; what is left out has its default. A test holds the names and defaults
//! against those that the plans have.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::texts::Duration;

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Strategy {
    /// Nodes that may be down by plan at once, over the whole cluster.
    #[schema(maximum = 4294967295_u64)]
    pub max_unavailable: u32,
    /// Healthy databases that must stay.
    #[schema(maximum = 4294967295_u64)]
    pub min_available: Option<u32>,
    pub order: Order,
    pub on_node_failure: OnNodeFailure,
    pub on_unreachable: OnUnreachable,
    pub on_quorum_loss: OnQuorumLoss,
    pub on_handoff_failure: OnHandoffFailure,
    pub allow_downgrade: bool,
    pub allow_downtime: bool,
    pub allow_drift: bool,
    pub deadlines: Deadlines,
    #[schema(value_type = Duration)]
    pub unreachable_after: String,
    #[schema(value_type = Duration)]
    pub progress_deadline: String,
    #[schema(value_type = Duration)]
    pub rollback_deadline: String,
    #[schema(value_type = Duration)]
    pub rollback_notice: String,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    #[schema(value_type = Duration)]
    pub staging: String,
    #[schema(value_type = Duration)]
    pub drain_grace: String,
    #[schema(value_type = Duration)]
    pub drain: String,
    pub drain_then: AfterDrain,
    #[schema(value_type = Duration)]
    pub flush: String,
    #[schema(value_type = Duration)]
    pub backup: String,
    #[schema(value_type = Duration)]
    pub stop: String,
    #[schema(value_type = Duration)]
    pub start: String,
    #[schema(value_type = Duration)]
    pub verify: String,
    #[schema(value_type = Duration)]
    pub rejoin: String,
    #[schema(value_type = Duration)]
    pub ready_settle: String,
    #[schema(value_type = Duration)]
    pub soak: String,
    #[schema(value_type = Duration)]
    pub health_grace: String,
    #[schema(value_type = Duration)]
    pub health_interval: String,
    #[schema(value_type = Duration)]
    pub health_timeout: String,
    #[schema(maximum = 4294967295_u64)]
    pub health_successes: u32,
    #[schema(maximum = 4294967295_u64)]
    pub staging_retries: u32,
    #[schema(maximum = 4294967295_u64)]
    pub restart_retries: u32,
}

macro_rules! choices {
    ($($name:ident { $first:ident $($other:ident)* })*) => {
        $(
            #[derive(Default, Serialize, Deserialize, ToSchema)]
            #[serde(rename_all = "snake_case")]
            pub enum $name {
                #[default]
                $first,
                $($other,)*
            }
        )*
    };
}

choices! {
    Order { Name Zone }
    AfterDrain { Proceed Fail }
    OnNodeFailure { RollbackNode RollbackAll Pause }
    OnUnreachable { Pause Skip }
    OnQuorumLoss { RollbackAll Pause }
    OnHandoffFailure { Proceed Pause }
}

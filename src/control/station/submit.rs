//! A write that another member carried here: who may carry what.

use std::time::Duration;

use tokio::time::Instant;

use super::Station;
use crate::access::principal::Principal;
use crate::base::ids::MemberId;
use crate::control::peers::wire::{SubmitAnswer, SubmitAsk, Written};
use crate::control::replica::Unwritten;
use crate::control::service::Call;
use crate::machine::command::Command;
use crate::machine::refusal::Refusal;

impl Station {
    /// Appends what member `from` carried here, if this member leads; it is carried no further.
    pub async fn carried(&self, from: MemberId, ask: SubmitAsk) -> SubmitAnswer {
        let SubmitAsk {
            actor,
            reason,
            request,
            command,
            within_ms,
        } = ask;
        if !may_carry(from, &actor, &command) {
            tracing::warn!(%from, %actor, "a member carried what it may not");
            return SubmitAnswer::Applied(Written {
                index: 0,
                term: 0,
                result: Err(Refusal::NotTheLeader),
            });
        }
        let call = Call {
            actor,
            reason,
            request,
            command,
        };
        let within = Duration::from_millis(within_ms).min(self.replica.timeouts().write);
        let deadline = Instant::now() + within;
        match self.replica.write_here(&call, deadline).await {
            Ok(written) => SubmitAnswer::Applied(written),
            Err(Unwritten::Never(lost)) => SubmitAnswer::Never(lost),
            Err(Unwritten::Unknown) => SubmitAnswer::Unknown,
        }
    }
}

/// A member speaks for clients that it has authenticated, for its own host and for itself; what only a
/// leader decides it cannot have carried.
fn may_carry(from: MemberId, actor: &Principal, command: &Command) -> bool {
    let speaks = match actor {
        Principal::Token { .. } => true,
        Principal::Host { member } | Principal::Member { member } => *member == from,
    };
    speaks
        && match command {
            Command::CreatePlan(_)
            | Command::Execute { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Cancel { .. }
            | Command::Rollback { .. }
            | Command::RetryNode { .. }
            | Command::SkipNode { .. }
            | Command::ReleaseSlot { .. }
            | Command::ClearDrift { .. }
            | Command::CreateToken { .. }
            | Command::RevokeToken { .. }
            | Command::Finalize(_)
            | Command::Join(_)
            | Command::Observe(_) => true,
            #[cfg(feature = "next-version")]
            Command::Annotate(_) => true,
            Command::OpenMembership { .. }
            | Command::CloseMembership { .. }
            | Command::Form(_)
            | Command::Begin { .. }
            | Command::OpenTerm { .. }
            | Command::Tick { .. }
            | Command::Take(_)
            | Command::StandDown { .. }
            | Command::HandoffFailed { .. }
            | Command::FailNode { .. }
            | Command::GiveUpNode { .. }
            | Command::LoseQuorum { .. } => false,
        }
}

//! From which cluster version on an entry kind may stand in the log: a member that does not know it must
//! stop. Exhaustive on purpose: a new kind says its own.

use super::command::Command;
use crate::base::version;

pub const fn since(command: &Command) -> version::Cluster {
    match command {
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
        | Command::OpenMembership { .. }
        | Command::CloseMembership { .. }
        | Command::Finalize(_)
        | Command::Form(_)
        | Command::Join(_)
        | Command::Observe(_)
        | Command::Begin { .. }
        | Command::OpenTerm { .. }
        | Command::Tick { .. }
        | Command::Take(_)
        | Command::StandDown { .. }
        | Command::HandoffFailed { .. }
        | Command::FailNode { .. }
        | Command::GiveUpNode { .. }
        | Command::LoseQuorum { .. } => version::Cluster::FIRST,
        #[cfg(feature = "next-version")]
        Command::Annotate(_) => version::NEXT,
    }
}

//! A loss of the databases' quorum (SPEC §6): one that has not lasted longer than `quorum_loss_grace` turns no plan,
//! one that has does, and nothing is taken while it lasts. Reckoned from what the leader really heard.

use aegis_updates::base::numbers::majority;
use aegis_updates::journal::fact::Fact;
use aegis_updates::machine::command::{Command, Purpose};
use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::Status;
use aegis_updates::plans::spec::Kind;

use crate::oracle::Step;

/// What a leader heard of one database.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Since it was last called healthy, or since this leader began to listen.
    pub healthy_ago_ms: u64,
    /// The newest word, young enough to count, is that it does not serve; and for how long that was all it said.
    pub lost_for_ms: Option<u64>,
}

/// What the leader decided, against what it heard.
pub fn decided(state: &State, words: &[Word], decision: Option<&Command>) -> Result<(), String> {
    let (Some(plan), Some(cluster)) = (state.live_plan(), &state.head.cluster) else {
        return Ok(());
    };
    let nodes = state.nodes.len();
    let serve = majority(nodes).min(plan.strategy.min_available_of(nodes));
    let grace_ms = cluster.settings.quorum_loss_grace_ms;
    let too_few = |lost: &dyn Fn(&Word) -> bool| {
        nodes - words.iter().filter(|word| lost(word)).count() < serve
    };
    let now = too_few(&|word| word.lost_for_ms.is_some());
    let perhaps = too_few(&|word| word.lost_for_ms.is_some() && word.healthy_ago_ms > grace_ms);
    let surely = too_few(&|word| word.lost_for_ms.is_some_and(|lost_ms| lost_ms > grace_ms));
    // A plan that leads back is the answer to a loss.
    let open = plan.status == Status::InProgress
        && plan.kind != Kind::Rollback
        && plan.notice_until_run_ms.is_none();
    let heard = || format!("{serve} must serve, the grace is {grace_ms} ms, heard: {words:?}");
    match decision {
        Some(Command::LoseQuorum { .. }) if !perhaps => {
            Err(format!("quorum called lost: {}", heard()))
        }
        Some(Command::Take(take)) if now && take.purpose == Purpose::Update => {
            Err(format!("{} taken in a loss: {}", take.node, heard()))
        }
        // A node that nobody wants taken is put back before anything else.
        Some(Command::LoseQuorum { .. } | Command::StandDown { .. }) => Ok(()),
        _ if surely && open => Err(format!("a loss was not told: {}", heard())),
        _ => Ok(()),
    }
}

/// What came of it: the notice, or the pause; and after the notice the turn.
pub fn judge(step: &Step<'_>) -> Result<(), String> {
    for record in step.facts {
        let Fact::QuorumLost { plan, .. } = &record.fact else {
            continue;
        };
        let found = step.after.plans.get(plan);
        let shrugged = found.is_some_and(|plan| match plan.status {
            Status::InProgress => plan.notice_until_run_ms.is_none(),
            Status::Paused { quorum_lost, .. } => !quorum_lost,
            _ => false,
        });
        // An operator who says in the same entry how to go on has the last word.
        let steered = matches!(
            step.command,
            Command::Resume { .. } | Command::Cancel { .. } | Command::Rollback { .. }
        );
        if shrugged && !steered {
            return Err(format!("quorum was lost, and {plan} takes no notice"));
        }
    }
    let run_ms = step.after.head.clock.run_ms;
    let over = step.after.live_plan().filter(|plan| {
        let over = plan
            .notice_until_run_ms
            .is_some_and(|until| until <= run_ms);
        over && plan.status == Status::InProgress
    });
    match (step.command, step.result, over) {
        (Command::Tick { .. }, Ok(_), Some(plan)) => Err(format!(
            "the notice of {} is over, and nothing is taken back",
            plan.id
        )),
        _ => Ok(()),
    }
}

//! I10, by the log alone: a plan that has just ended says truly which nodes run what.

use aegis_updates::machine::state::State;
use aegis_updates::plans::plan::{Plan, Status};
use aegis_updates::plans::progress;
use aegis_updates::plans::spec::Kind;

pub fn ended_truly(state: &State, plan: &Plan) -> Result<(), String> {
    for (name, progress) in &plan.nodes {
        let Some(node) = state.nodes.get(name) else {
            continue;
        };
        let Some(target) = plan.target_of(name) else {
            continue;
        };
        match plan.status {
            Status::Completed => {
                let version = node.database.version.as_deref() == Some(target.version.as_str());
                // The newest report may say that it fell ill since, but not that it runs something else.
                let fell_ill = !node.database.healthy && node.database.version.is_none();
                if progress.status != progress::Status::Updated || (!version && !fell_ill) {
                    return Err(format!(
                        "{} is Completed, {name} is {} and said {:?}",
                        plan.id,
                        progress.status.name(),
                        node.database.version
                    ));
                }
            }
            Status::RolledBack if plan.kind == Kind::Update => {
                let moved = progress
                    .rollback_target
                    .as_ref()
                    .is_some_and(|back| back.digest != target.digest);
                if moved && progress.begun && node.database.digest == Some(target.digest) {
                    return Err(format!("{} is RolledBack, {name} runs its binary", plan.id));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

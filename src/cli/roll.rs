//! The two verbs of an ordinary day: roll a release out, and take it back.

use clap::Args;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::say::note;
use super::strategy::StrategyArgs;
use super::{Done, Session, confirm, plan, watch};

#[derive(Debug, Args)]
pub struct Release {
    /// The version that the new binary says of itself, as 1.2.3
    version: String,
    /// Where every node gets it
    #[arg(long)]
    url: String,
    /// What must arrive: the 64 digits that sha256sum prints
    #[arg(long)]
    sha256: String,
}

#[derive(Debug, Args)]
pub struct RollArgs {
    #[command(flatten)]
    release: Release,
    #[command(flatten)]
    strategy: StrategyArgs,
    /// Do not follow it to its end
    #[arg(long)]
    detach: bool,
}

impl Release {
    pub fn body(&self, strategy: &StrategyArgs) -> Value {
        strategy.body(&self.version, &self.url, &self.sha256)
    }
}

/// Create, preview, ask, execute, watch.
pub async fn roll(session: &Session, args: RollArgs) -> Done {
    // Before anything is made that would then wait for a word that cannot come.
    confirm::can_ask(session)?;
    let body = args.release.body(&args.strategy);
    let preview = session.client.ask("/plans/preview", Some(&body)).await?;
    // Stdout is for the result; with a machine-readable format nothing else may stand there.
    if session.globals.output == super::args::Format::Table {
        plan::show_preview(session, &preview);
    }
    let created = session.client.post("/plan", &body).await?;
    let id = created["plan"]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let version = &args.release.version;
    if let Err(failure) = confirm::agree(session, &format!("Roll {version} out as plan {id}?")) {
        note!("plan {id} waits: `plan execute {id}` or `plan cancel {id}`");
        return Err(failure);
    }
    let revision = &created["plan"]["revision"];
    execute(session, &id, revision).await?;
    if args.detach {
        note!("plan {id} runs: `aegis-updates watch {id}`");
        plan::print(session, &created);
        return Ok(Exit::Reached);
    }
    watch::watch(session, &id, false).await
}

/// Under a key of its own: the flag's belongs to the creation.
async fn execute(session: &Session, id: &str, revision: &Value) -> Result<(), Failure> {
    let body = json!({ "plan_id": id, "revision": revision });
    let key = session.globals.idempotency_key.as_ref();
    let key = key.map(|key| format!("{key}-execute"));
    session.client.post_keyed("/execute", &body, key).await?;
    Ok(())
}

pub async fn rollback(session: &Session, named: Option<String>) -> Done {
    let id = plan::meant(session, named).await?;
    confirm::agree(session, &format!("Take plan {id} back?"))?;
    let answer = session
        .client
        .post(&format!("/plans/{id}/rollback"), &json!({}))
        .await?;
    // Of a final plan another one, which does it, is answered.
    let id = answer["plan"]["id"].as_str().unwrap_or(&id).to_owned();
    note!("plan {id} takes it back");
    watch::watch(session, &id, true).await
}

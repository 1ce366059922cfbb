//! Plans: make, look, steer.

use clap::Subcommand;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::{self, Column};
use super::roll::Release;
use super::say::note;
use super::strategy::StrategyArgs;
use super::{Done, Session, confirm, top, watch};

#[derive(Debug, Subcommand)]
pub enum PlanVerb {
    /// Make a plan; nothing runs until it is executed
    Create {
        #[command(flatten)]
        release: Release,
        #[command(flatten)]
        strategy: StrategyArgs,
        /// Only preview it
        #[arg(long)]
        dry_run: bool,
    },
    /// What a plan like this would meet now; changes nothing
    Preview {
        #[command(flatten)]
        release: Release,
        #[command(flatten)]
        strategy: StrategyArgs,
    },
    /// Plans, newest first
    List {
        /// Only those in this status, as in Completed
        #[arg(long)]
        status: Option<String>,
        /// How many; 100 where absent, 1000 at most
        #[arg(long)]
        limit: Option<usize>,
    },
    /// One plan and its nodes
    Show { plan: String },
    /// Run a plan that waits
    Execute {
        plan: String,
        /// Refused when the plan was changed since this revision
        #[arg(long)]
        revision: Option<u64>,
        /// Follow it to its end
        #[arg(long)]
        watch: bool,
    },
    /// Follow a plan until it ends or needs somebody
    Watch { plan: String },
    /// What a plan waits for, and what would help
    Explain { plan: String },
    /// No further node is taken; the one in hand is put back or finished
    Pause { plan: String },
    /// Let a paused plan go on
    Resume {
        plan: String,
        /// Go on to the new release
        #[arg(long, conflicts_with = "rollback")]
        forward: bool,
        /// Go back to the old one
        #[arg(long)]
        rollback: bool,
    },
    /// End a plan: a node in hand is put back or finished, no other is taken
    Cancel { plan: String },
    /// Take a plan back: a live one turns, a final one is followed by a plan of kind rollback
    Rollback { plan: String },
}

const PLANS: &[Column] = &[
    ("PLAN", "id"),
    ("KIND", "kind"),
    ("VERSION", "version"),
    ("STATUS", "status"),
    ("CREATED", "created_at"),
    ("BY", "creator"),
];
const PLAN: &[Column] = &[
    ("plan", "id"),
    ("kind", "kind"),
    ("version", "version"),
    ("status", "status"),
    ("detail", "detail"),
    ("paused from", "paused_from"),
    ("takes back", "takes_back"),
    ("url", "binary_url"),
    ("sha256", "sha256"),
    ("revision", "revision"),
    ("created", "created_at"),
    ("by", "creator"),
    ("ended", "ended_at"),
    ("mixed", "mixed"),
    ("next", "next"),
];
pub const PLAN_NODES: &[Column] = &[
    ("NODE", "node"),
    ("STATUS", "status"),
    ("STEP", "step"),
    ("VERSION", "version"),
    ("HEALTHY", "healthy"),
    ("IN HAND", "in_hand"),
    ("CLASS", "class"),
    ("DETAIL", "detail"),
];

pub async fn run(session: &Session, verb: PlanVerb) -> Done {
    match verb {
        PlanVerb::Create {
            release,
            strategy,
            dry_run,
        } => {
            let body = release.body(&strategy);
            if dry_run {
                return preview(session, &body).await;
            }
            let answer = session.client.post("/plan", &body).await?;
            print(session, &answer);
            Ok(Exit::Reached)
        }
        PlanVerb::Preview { release, strategy } => preview(session, &release.body(&strategy)).await,
        PlanVerb::List { status, limit } => list(session, status, limit).await,
        PlanVerb::Show { plan } => show(session, &plan).await,
        PlanVerb::Execute {
            plan,
            revision,
            watch: follow,
        } => {
            let body = json!({ "plan_id": plan, "revision": revision });
            let answer = session.client.post("/execute", &body).await?;
            if follow {
                return watch::watch(session, &plan, false).await;
            }
            print(session, &answer);
            Ok(Exit::Reached)
        }
        PlanVerb::Watch { plan } => watch::watch(session, &plan, false).await,
        PlanVerb::Explain { plan } => top::explain(session, Some(plan)).await,
        PlanVerb::Pause { plan } => act(session, &plan, "pause", &json!({})).await,
        PlanVerb::Resume {
            plan,
            forward,
            rollback,
        } => {
            let direction = match (forward, rollback) {
                (true, _) => Some("forward"),
                (_, true) => Some("rollback"),
                (false, false) => None,
            };
            act(session, &plan, "resume", &json!({ "direction": direction })).await
        }
        PlanVerb::Cancel { plan } => {
            confirm::agree(session, &format!("Cancel plan {plan}?"))?;
            act(session, &plan, "cancel", &json!({})).await
        }
        PlanVerb::Rollback { plan } => super::roll::rollback(session, Some(plan)).await,
    }
}

pub async fn preview(session: &Session, body: &Value) -> Done {
    let answer = session.client.ask("/plans/preview", Some(body)).await?;
    show_preview(session, &answer);
    let ready = answer["ready"] == true;
    Ok(if ready { Exit::Reached } else { Exit::Refused })
}

pub fn show_preview(session: &Session, answer: &Value) {
    let waves = answer["waves"].as_array().cloned().unwrap_or_default();
    let rows: Vec<Value> = (1..)
        .zip(&waves)
        .flat_map(|(number, wave)| {
            let nodes = wave.as_array().cloned().unwrap_or_default();
            nodes.into_iter().map(move |mut node| {
                node["wave"] = json!(number);
                node
            })
        })
        .collect();
    let columns = [
        ("NODE", "node"),
        ("WAVE", "wave"),
        ("LEADS", "leads"),
        ("RUNNING", "running"),
        ("ALREADY THERE", "already_there"),
        ("DISK FREE", "disk_free_bytes"),
        ("ARTIFACT", "artifact_bytes"),
    ];
    output::rows(session.globals.output, answer, &json!(rows), &columns);
    for row in &rows {
        if let Some(error) = row["artifact_error"].as_str() {
            note!("{} cannot fetch it: {error}", output::cell(row, "node"));
        }
    }
    if let Some(to) = answer["handoff_to"].as_str() {
        note!("before the leader's node, leadership goes to {to}");
    }
    for red in answer["red"].as_array().into_iter().flatten() {
        note!(
            "gate shut: {}: {}",
            output::cell(red, "gate"),
            output::cell(red, "detail")
        );
    }
    if let Some(refused) = answer["refused"].as_object() {
        let text = |name: &str| {
            refused
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        note!(
            "would be refused: {} ({})\n  help: {}",
            text("error"),
            text("code"),
            text("remedy")
        );
    }
}

pub fn print(session: &Session, answer: &Value) {
    let (format, plan) = (session.globals.output, &answer["plan"]);
    output::fields(format, answer, plan, PLAN);
    let has_nodes = plan["nodes"]
        .as_array()
        .is_some_and(|nodes| !nodes.is_empty());
    if format == super::args::Format::Table && has_nodes {
        output::line("");
        output::rows(format, answer, &plan["nodes"], PLAN_NODES);
    }
    output::note_age(answer);
}

pub async fn act(session: &Session, plan: &str, verb: &str, body: &Value) -> Done {
    let answer = session
        .client
        .post(&format!("/plans/{plan}/{verb}"), body)
        .await?;
    print(session, &answer);
    Ok(Exit::Reached)
}

async fn show(session: &Session, plan: &str) -> Done {
    let answer = session.client.get(&format!("/plans/{plan}")).await?;
    print(session, &answer);
    Ok(Exit::Reached)
}

async fn list(session: &Session, status: Option<String>, limit: Option<usize>) -> Done {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &limit.unwrap_or(100).to_string());
    if let Some(status) = status {
        query.append_pair("status", &status);
    }
    let answer = session
        .client
        .get(&format!("/plans?{}", query.finish()))
        .await?;
    output::rows(session.globals.output, &answer, &answer["plans"], PLANS);
    output::note_age(&answer);
    Ok(Exit::Reached)
}

/// The plan that somebody means who names none: the live one, else the newest.
pub async fn meant(session: &Session, named: Option<String>) -> Result<String, Failure> {
    if let Some(named) = named {
        return Ok(named);
    }
    let cluster = session.client.get("/cluster").await?;
    let plan = current(session, &cluster).await?;
    let id = plan["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| Failure::usage("there is no plan yet; `roll` makes one"))
}

/// The live plan, else the newest; null where there is none.
pub async fn current(session: &Session, cluster: &Value) -> Result<Value, Failure> {
    if let Some(live) = cluster["live_plan"].as_str() {
        let answer = session.client.get(&format!("/plans/{live}")).await?;
        return Ok(answer["plan"].clone());
    }
    let answer = session.client.get("/plans?limit=1").await?;
    Ok(answer["plans"][0].clone())
}

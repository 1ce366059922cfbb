//! Nodes: look at them, and the few acts that concern one.

use clap::Subcommand;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::{self, Column};
use super::say::note;
use super::{Done, Session, confirm, plan};

#[derive(Debug, Subcommand)]
pub enum NodeVerb {
    /// Every node with its version and health
    List,
    /// All that is known of one node
    Show { node: String },
    /// Give a failed or skipped node of a plan another try
    Retry {
        node: String,
        /// The live plan, else the newest, where absent
        #[arg(long)]
        plan: Option<String>,
    },
    /// End a plan's interest in a node
    Skip {
        node: String,
        /// The live plan, else the newest, where absent
        #[arg(long)]
        plan: Option<String>,
    },
    /// Take note that what somebody else changed is as it should be
    Clear { node: String },
    /// Give a node's right to be down back without its host's word; needs --reason
    ReleaseSlot {
        node: String,
        /// Your word that the host is switched off
        #[arg(long)]
        host_is_off: bool,
    },
}

const NODE: &[Column] = &[
    ("node", "node"),
    ("member", "member"),
    ("zone", "zone"),
    ("address", "address"),
    ("api", "api"),
    ("version", "version"),
    ("digest", "digest"),
    ("installed", "installed"),
    ("healthy", "healthy"),
    ("ready", "ready"),
    ("drained", "drained"),
    ("leads", "leads"),
    ("voter", "voter"),
    ("reachable", "reachable"),
    ("last heard, ms ago", "age_ms"),
    ("in hand", "in_hand"),
    ("of plan", "in_hand_of"),
    ("doing", "doing"),
    ("step", "step"),
    ("disk free", "disk_free_bytes"),
    ("drifted", "drifted"),
];
const NODES: &[Column] = &[
    ("NODE", "node"),
    ("VERSION", "version"),
    ("HEALTHY", "healthy"),
    ("READY", "ready"),
    ("LEADS", "leads"),
    ("VOTER", "voter"),
    ("REACHABLE", "reachable"),
    ("IN HAND", "in_hand"),
    ("STEP", "step"),
    ("ADDRESS", "address"),
];

pub async fn run(session: &Session, verb: NodeVerb) -> Done {
    match verb {
        NodeVerb::List => {
            let answer = session.client.get("/nodes").await?;
            output::rows(session.globals.output, &answer, &answer["nodes"], NODES);
            output::note_age(&answer);
            Ok(Exit::Reached)
        }
        NodeVerb::Show { node } => {
            let answer = session.client.get(&format!("/nodes/{node}")).await?;
            output::fields(session.globals.output, &answer, &answer["node"], NODE);
            output::note_age(&answer);
            Ok(Exit::Reached)
        }
        NodeVerb::Retry { node, plan } => of_plan(session, &node, plan, "retry").await,
        NodeVerb::Skip { node, plan } => of_plan(session, &node, plan, "skip").await,
        NodeVerb::Clear { node } => {
            session
                .client
                .post(&format!("/nodes/{node}/clear"), &json!({}))
                .await?;
            note!("{node} is as it should be");
            Ok(Exit::Reached)
        }
        NodeVerb::ReleaseSlot { node, host_is_off } => {
            if session.globals.reason.is_none() {
                return Err(Failure::usage("releasing a slot needs --reason"));
            }
            let what = format!("Another node may then go down although {node} did not answer.");
            confirm::by_name(session, &what).await?;
            let body = json!({ "host_is_off": host_is_off });
            session
                .client
                .post(&format!("/nodes/{node}/release-slot"), &body)
                .await?;
            note!("{node} is out of hand");
            Ok(Exit::Reached)
        }
    }
}

async fn of_plan(session: &Session, node: &str, named: Option<String>, verb: &str) -> Done {
    let id = plan::meant(session, named).await?;
    plan::act(session, &id, &format!("nodes/{node}/{verb}"), &json!({})).await
}

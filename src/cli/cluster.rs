//! The cluster: who leads, who votes, who may join.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::args::DEFAULT_CONFIG;
use super::exit::{Exit, Failure};
use super::output::{self, Column};
use super::say::note;
use super::{Done, Session, confirm};
use crate::base::duration::Millis;

#[derive(Debug, Subcommand)]
pub enum ClusterVerb {
    /// Form a new cluster on this host; done once, on one host
    Init {
        #[arg(long, default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
    /// Make this host a member of a cluster; its daemon is started afterwards
    Join {
        #[arg(long, default_value = DEFAULT_CONFIG)]
        config: PathBuf,
        /// The file that holds the join token
        #[arg(long)]
        join_token_file: PathBuf,
    },
    /// Leader, term, voters, and the member that answers
    Show,
    /// Every member: voter or learner, and where it is reached
    Members,
    /// Who leads
    Leader,
    /// Hand leadership to a node's member
    Transfer { node: String },
    /// Make a learner a voter
    Promote { node: String },
    /// Make a voter a learner
    Demote { node: String },
    /// Take a node out of the cluster; its database is not touched
    Remove { node: String },
    /// Raise the cluster version for good, once every member's daemon supports it
    Finalize {
        /// The newest that the members support where absent
        #[arg(long)]
        to: Option<u32>,
    },
    /// Make a token with which one host may join
    JoinToken {
        /// How long it is good, as in 10m; 1h where absent
        #[arg(long)]
        ttl: Option<Millis>,
    },
}

pub async fn run(session: &Session, verb: ClusterVerb) -> Done {
    let client = &session.client;
    match verb {
        ClusterVerb::Init { .. } | ClusterVerb::Join { .. } => {
            return Err(Failure::usage(
                "this verb is carried out on the host itself",
            ));
        }
        ClusterVerb::Show => show(session, &SHOWN).await?,
        ClusterVerb::Members => members(session).await?,
        ClusterVerb::Leader => show(session, &[("leader", "leader"), ("term", "term")]).await?,
        ClusterVerb::Transfer { node } => {
            let body = json!({ "to": node });
            client.post("/cluster/leader", &body).await?;
            note!("{node} leads");
        }
        ClusterVerb::Promote { node } => {
            change(session, &node, "promote").await?;
            note!("{node} votes");
        }
        ClusterVerb::Demote { node } => {
            confirm::by_name(session, &format!("{node} will not vote any more.")).await?;
            change(session, &node, "demote").await?;
            note!("{node} votes no more");
        }
        ClusterVerb::Remove { node } => {
            confirm::by_name(session, &format!("{node} will not be a member any more.")).await?;
            client.delete(&format!("/cluster/members/{node}")).await?;
            note!("{node} is no member any more; stop its daemon");
        }
        ClusterVerb::Finalize { to } => {
            let what = "The cluster version is raised. There is no way back: daemons that do not \
                        support it will not start any more.";
            confirm::by_name(session, what).await?;
            let body = json!({ "version": to });
            let answer = client.post("/cluster/finalize", &body).await?;
            note!("the cluster is at version {}", answer["version"]);
        }
        ClusterVerb::JoinToken { ttl } => {
            let body = json!({ "ttl": ttl.map(|ttl| ttl.to_string()) });
            let answer = client.post("/cluster/join-tokens", &body).await?;
            super::token::print_secret(session, &answer);
        }
    }
    Ok(Exit::Reached)
}

const SHOWN: [Column; 15] = [
    ("cluster", "cluster"),
    ("version", "version"),
    ("incarnation", "incarnation"),
    ("leader", "leader"),
    ("term", "term"),
    ("voters", "voters"),
    ("learners", "learners"),
    ("changing", "changing"),
    ("live plan", "live_plan"),
    ("asked", "asked.node"),
    ("its role", "asked.role"),
    ("supports up to", "asked.supports.newest"),
    ("applied", "asked.applied"),
    ("quorum heard, ms ago", "asked.quorum_ack_age_ms"),
    ("plaintext", "asked.insecure_plaintext"),
];

async fn show(session: &Session, columns: &[Column]) -> Result<(), Failure> {
    let answer = session.client.get("/cluster").await?;
    output::fields(session.globals.output, &answer, &answer, columns);
    output::note_age(&answer);
    Ok(())
}

async fn members(session: &Session) -> Result<(), Failure> {
    let answer = session.client.get("/cluster/members").await?;
    let columns = [
        ("NODE", "node"),
        ("MEMBER", "member"),
        ("ROLE", "role"),
        ("LEADS", "leads"),
        ("PEER", "peer"),
        ("API", "api"),
        ("ZONE", "zone"),
        ("SUPPORTS", "supports.newest"),
    ];
    output::rows(
        session.globals.output,
        &answer,
        &answer["members"],
        &columns,
    );
    output::note_age(&answer);
    Ok(())
}

async fn change(session: &Session, node: &str, verb: &str) -> Result<(), Failure> {
    session
        .client
        .post(&format!("/cluster/members/{node}/{verb}"), &json!({}))
        .await?;
    Ok(())
}

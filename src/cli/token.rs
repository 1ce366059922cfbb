//! Access tokens. A secret is printed once, when it is made, and kept nowhere.

use clap::Subcommand;
use serde_json::{Value, json};

use super::args::Format;
use super::exit::Exit;
use super::output;
use super::say::note;
use super::{Done, Session, confirm};
use crate::access::principal::Role;
use crate::base::duration::Millis;

#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make a token; its secret is printed once
    Create {
        /// viewer, operator, approver, admin or node
        #[arg(long)]
        role: Role,
        /// How long it is good, as in 30d; 90d where absent
        #[arg(long)]
        ttl: Option<Millis>,
        /// A name for it; random where absent
        #[arg(long)]
        id: Option<String>,
    },
    /// Tokens and what each may do; never their secrets
    List,
    /// End a token at once
    Revoke { id: String },
    /// Who the cluster takes you for
    Whoami,
}

pub async fn run(session: &Session, verb: TokenVerb) -> Done {
    let format = session.globals.output;
    match verb {
        TokenVerb::Create { role, ttl, id } => {
            let body = json!({
                "role": role.name(),
                "ttl": ttl.map(|ttl| ttl.to_string()),
                "id": id,
            });
            let answer = session.client.post("/tokens", &body).await?;
            print_secret(session, &answer);
        }
        TokenVerb::List => {
            let answer = session.client.get("/tokens").await?;
            let columns = [
                ("TOKEN", "id"),
                ("GRANTS", "grants"),
                ("ROLE", "role"),
                ("VALID", "valid"),
                ("EXPIRES", "expires_at"),
                ("REVOKED", "revoked"),
            ];
            output::rows(format, &answer, &answer["tokens"], &columns);
            output::note_age(&answer);
        }
        TokenVerb::Revoke { id } => {
            confirm::agree(session, &format!("Revoke token {id}?"))?;
            session.client.delete(&format!("/tokens/{id}")).await?;
            note!("token {id} opens nothing any more");
        }
        TokenVerb::Whoami => {
            let answer = session.client.ask("/whoami", None).await?;
            let columns = [
                ("principal", "principal"),
                ("role", "role"),
                ("kind", "kind"),
            ];
            output::fields(format, &answer, &answer, &columns);
        }
    }
    Ok(Exit::Reached)
}

/// The secret alone on stdout, so that it can go straight into a file.
pub fn print_secret(session: &Session, answer: &Value) {
    if session.globals.output != Format::Table {
        output::fields(session.globals.output, answer, answer, &[("id", "id")]);
        return;
    }
    match answer["secret"].as_str() {
        Some(secret) => {
            note!(
                "token {} until {}; this is shown once:",
                output::cell(answer, "id"),
                output::cell(answer, "expires_at")
            );
            output::line(secret);
        }
        None => note!(
            "token {} was made by an earlier request with this key; its secret is not kept",
            output::cell(answer, "id")
        ),
    }
}

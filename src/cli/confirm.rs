//! Asks before something is disrupted. Without a terminal nobody can be asked: then `--yes` is needed.

use std::io::{IsTerminal as _, Write as _};

use super::Session;
use super::exit::Failure;

/// For what can be taken back.
pub fn agree(session: &Session, question: &str) -> Result<(), Failure> {
    if session.globals.yes {
        return Ok(());
    }
    match answer(session, &format!("{question} [y/N] "))?.as_str() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::NotConfirmed("not confirmed".to_owned())),
    }
}

/// For what cannot: the cluster's own name must be typed.
pub async fn by_name(session: &Session, what: &str) -> Result<(), Failure> {
    if session.globals.yes {
        return Ok(());
    }
    let cluster = session.client.get("/cluster").await?;
    let name = cluster["cluster"].as_str().unwrap_or_default();
    let typed = answer(
        session,
        &format!("{what}\nType the cluster's name ({name}) to go on: "),
    )?;
    if typed == name && !name.is_empty() {
        return Ok(());
    }
    Err(Failure::NotConfirmed(
        "that is not the cluster's name".to_owned(),
    ))
}

/// That the question can be put, or need not be.
pub fn can_ask(session: &Session) -> Result<(), Failure> {
    if session.globals.yes || std::io::stdin().is_terminal() {
        return Ok(());
    }
    let why = "there is no terminal to ask at; add `--yes`";
    Err(Failure::NotConfirmed(why.to_owned()))
}

fn answer(session: &Session, question: &str) -> Result<String, Failure> {
    can_ask(session)?;
    // Nobody to read the question: the answer is still read.
    let _ = write!(std::io::stderr(), "{question}");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(|error| Failure::NotConfirmed(format!("no answer could be read: {error}")))?;
    Ok(line.trim().to_owned())
}

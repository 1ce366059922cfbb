//! Looking: the whole cluster at once, what a plan waits for, versions.

use serde_json::{Value, json};

use super::args::Format;
use super::exit::Exit;
use super::output::{self, Column};
use super::say::note;
use super::{Done, Session, plan};

const NODES: &[Column] = &[
    ("NODE", "node"),
    ("VERSION", "version"),
    ("HEALTHY", "healthy"),
    ("READY", "ready"),
    ("LEADS", "leads"),
    ("VOTER", "voter"),
    ("REACHABLE", "reachable"),
    ("STEP", "step"),
    ("DRIFTED", "drifted"),
];

pub async fn status(session: &Session) -> Done {
    let cluster = session.client.get("/cluster").await?;
    let nodes = session.client.get("/nodes").await?;
    let plan = plan::current(session, &cluster).await?;
    let whole = json!({ "cluster": cluster, "nodes": nodes["nodes"], "plan": plan });
    let format = session.globals.output;
    if format != Format::Table {
        output::rows(format, &whole, &nodes["nodes"], NODES);
        return Ok(Exit::Reached);
    }
    let columns = [
        ("cluster", "cluster"),
        ("leader", "leader"),
        ("term", "term"),
        ("live plan", "live_plan"),
        ("plaintext", "asked.insecure_plaintext"),
    ];
    output::fields(format, &cluster, &cluster, &columns);
    output::line("");
    output::rows(format, &nodes, &nodes["nodes"], NODES);
    if !plan.is_null() {
        output::line("");
        plan::print(session, &json!({ "plan": plan }));
    }
    output::note_age(&cluster);
    Ok(Exit::Reached)
}

pub async fn explain(session: &Session, named: Option<String>) -> Done {
    let id = plan::meant(session, named).await?;
    let answer = session.client.get(&format!("/plans/{id}/explain")).await?;
    if session.globals.output != Format::Table {
        let columns = [("CODE", "code")];
        output::rows(session.globals.output, &answer, &answer["waits"], &columns);
        return Ok(Exit::Reached);
    }
    let status = answer["status"].as_str().unwrap_or_default();
    let none = Vec::new();
    let waits = answer["waits"].as_array().unwrap_or(&none);
    let detail = answer["detail"]
        .as_str()
        .map_or_else(String::new, |text| format!(": {text}"));
    output::line(&format!("plan {id} is {status}{detail}"));
    if waits.is_empty() {
        output::line("it waits for nothing");
    }
    for wait in waits {
        output::line(&waiting(wait));
    }
    output::note_age(&answer);
    Ok(Exit::Reached)
}

fn waiting(wait: &Value) -> String {
    let text = |name: &str| wait[name].as_str().unwrap_or_default();
    let subject = wait["subject"]
        .as_str()
        .map_or_else(String::new, |name| format!(" {name}"));
    let mut lines = vec![
        format!("{}{subject}: {}", text("code"), text("detail")),
        format!("  next by itself: {}", text("next")),
    ];
    let commands = wait["commands"].as_array().into_iter().flatten();
    lines.extend(
        commands
            .filter_map(Value::as_str)
            .map(|command| format!("  helps: {command}")),
    );
    lines.join("\n")
}

pub async fn watch(session: &Session, named: Option<String>) -> Done {
    let id = plan::meant(session, named).await?;
    super::watch::watch(session, &id, false).await
}

pub async fn version(session: &Session) -> Done {
    let answer = session.client.get("/version").await?;
    let columns = [
        ("NODE", "name"),
        ("VERSION", "version"),
        ("SHA256", "binary_hash"),
        ("REACHABLE", "reachable"),
    ];
    output::rows(session.globals.output, &answer, &answer["nodes"], &columns);
    if session.globals.output == Format::Table {
        let agree = if answer["agree"] == true {
            "all nodes agree"
        } else {
            "the nodes differ"
        };
        note!("{agree}; this program is {}", env!("CARGO_PKG_VERSION"));
    }
    output::note_age(&answer);
    Ok(Exit::Reached)
}

//! The audit journal, page by page.

use clap::Subcommand;
use serde_json::{Value, json};

use super::args::Format;
use super::exit::Exit;
use super::say::note;
use super::{Done, Session, output};

#[derive(Debug, Subcommand)]
pub enum JournalVerb {
    /// Records, oldest first
    List {
        /// After this place, as in 1234.0
        #[arg(long)]
        after: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

pub async fn run(session: &Session, verb: JournalVerb) -> Done {
    let JournalVerb::List { after, limit } = verb;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    if let Some(after) = after {
        query.append_pair("cursor", &after);
    }
    let answer = session
        .client
        .ask(&format!("/journal?{}", query.finish()), None)
        .await?;
    let rows: Vec<Value> = answer["records"]
        .as_array()
        .into_iter()
        .flatten()
        .map(row)
        .collect();
    let columns = [
        ("PLACE", "place"),
        ("AT", "at"),
        ("ACTOR", "actor"),
        ("FACT", "name"),
        ("WHAT", "what"),
        ("REASON", "reason"),
    ];
    output::rows(session.globals.output, &answer, &json!(rows), &columns);
    if session.globals.output == Format::Table
        && let Some(next) = answer["next_cursor"].as_str()
    {
        note!("more: journal list --after {next}");
    }
    Ok(Exit::Reached)
}

/// A record in one line: the fact's plain fields, without its name and what is nested.
fn row(record: &Value) -> Value {
    let fields = record["fact"].as_object().into_iter().flatten();
    let plain =
        fields.filter(|(name, value)| *name != "fact" && !value.is_null() && !value.is_object());
    let words: Vec<String> = plain
        .map(|(name, _)| format!("{name}={}", output::cell(&record["fact"], name)))
        .collect();
    json!({
        "place": format!("{}.{}", record["index"], record["ordinal"]),
        "at": record["at"],
        "actor": record["actor"],
        "name": record["fact"]["fact"],
        "what": words.join(" "),
        "reason": record["reason"],
    })
}

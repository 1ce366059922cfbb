//! Reads the file, lets environment variables override it, and turns a failure into a sentence that
//! names the key. Judges no value.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;

/// `AEGIS_UPDATES_LISTEN__API` overrides `api` in `[listen]`.
const PREFIX: &str = "AEGIS_UPDATES_";
/// Between a table and its key. Variables without it are no keys of this file.
const NESTING: &str = "__";
/// Below this likeness (Jaro-Winkler) a suggestion would be a guess.
const LIKE_ENOUGH: f64 = 0.7;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    Unreadable {
        path: PathBuf,
        why: String,
    },
    Malformed {
        source: String,
        why: String,
    },
    UnknownKey {
        source: String,
        key: String,
        nearest: Option<String>,
    },
    NotATable {
        variable: String,
        key: String,
    },
}

/// Blocking. `variables` are the process's own, given so that tests can give others.
pub fn load(
    path: &Path,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::Unreadable {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    parse(&text, &path.display().to_string(), variables)
}

pub fn parse(
    text: &str,
    source: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Error> {
    let mut variables: Vec<_> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX) && name.contains(NESTING))
        .collect();
    variables.sort();
    if variables.is_empty() {
        // Straight from the text, since only so an error knows its line.
        return toml::from_str(text).map_err(|error| explained(source, &error));
    }
    let mut table: Table = toml::from_str(text).map_err(|error| explained(source, &error))?;
    for (name, value) in &variables {
        override_key(&mut table, name, value)?;
    }
    let names: Vec<_> = variables.iter().map(|(name, _)| name.as_str()).collect();
    let sources = format!("{source} with {}", names.join(", "));
    Value::Table(table)
        .try_into()
        .map_err(|error| explained(&sources, &error))
}

fn override_key(table: &mut Table, variable: &str, value: &str) -> Result<(), Error> {
    let lower = variable[PREFIX.len()..].to_ascii_lowercase();
    let mut keys: Vec<&str> = lower.split(NESTING).collect();
    let Some(last) = keys.pop() else {
        return Ok(());
    };
    let mut at = table;
    for key in keys {
        let entry = at
            .entry(key.to_owned())
            .or_insert_with(|| Value::Table(Table::new()));
        at = entry.as_table_mut().ok_or_else(|| Error::NotATable {
            variable: variable.to_owned(),
            key: key.to_owned(),
        })?;
    }
    at.insert(last.to_owned(), value_of(value));
    Ok(())
}

/// A number, a truth value or an array where the text is one, else the text itself.
fn value_of(text: &str) -> Value {
    let read: Result<Table, _> = toml::from_str(&format!("value = {text}"));
    let found = read.ok().and_then(|mut table| table.remove("value"));
    found.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// serde says "unknown field `x`, expected one of `a`, `b`": the nearest of them is worth more than all.
fn explained(source: &str, error: &toml::de::Error) -> Error {
    let message = error.message();
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(key) if message.starts_with("unknown field") => {
            let nearest = quoted
                .map(|known| (strsim::jaro_winkler(key, known), known))
                .filter(|(likeness, _)| *likeness >= LIKE_ENOUGH)
                .max_by(|one, other| one.0.total_cmp(&other.0));
            Error::UnknownKey {
                source: source.to_owned(),
                key: key.to_owned(),
                nearest: nearest.map(|(_, known)| known.to_owned()),
            }
        }
        _ => Error::Malformed {
            source: source.to_owned(),
            why: error.to_string().trim_end().to_owned(),
        },
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(
                f,
                "the configuration {} cannot be read: {why}; `config example` prints one",
                path.display()
            ),
            Self::Malformed { source, why } => write!(f, "{source}: {why}"),
            Self::UnknownKey {
                source,
                key,
                nearest: Some(nearest),
            } => write!(
                f,
                "{source}: there is no key `{key}`; did you mean `{nearest}`?"
            ),
            Self::UnknownKey {
                source,
                key,
                nearest: None,
            } => write!(
                f,
                "{source}: there is no key `{key}`; `config example` shows all of them"
            ),
            Self::NotATable { variable, key } => {
                write!(f, "{variable}: `{key}` is a value and has no keys below it")
            }
        }
    }
}

impl std::error::Error for Error {}

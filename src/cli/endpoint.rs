//! Whom to ask and with what right: flags and environment, then the context file, then this host's own
//! control socket. Secrets come from files or the environment, never from flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::Session;
use super::args::Globals;
use super::exit::Failure;
use crate::client::{Client, Endpoint, Settings};

const CONTROL_SOCKET: &str = "/run/aegis-updates/control.sock";
const TIMEOUT: Duration = Duration::from_secs(10);

/// `~/.config/aegis-updates/cli.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Contexts {
    /// The context in force where none is named.
    current: Option<String>,
    contexts: BTreeMap<String, Context>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    endpoints: Vec<String>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

pub fn session(globals: Globals) -> Result<Session, Failure> {
    if globals
        .reason
        .as_ref()
        .is_some_and(|reason| reason.chars().any(char::is_control))
    {
        return Err(Failure::usage("a reason is one line of text"));
    }
    let context = context(&globals)?;
    let token = token(&globals, &context)?;
    let texts = if globals.endpoint.is_empty() {
        context.endpoints
    } else {
        globals.endpoint.clone()
    };
    let mut endpoints = texts
        .iter()
        .map(|text| endpoint(text))
        .collect::<Result<Vec<_>, _>>()?;
    if endpoints.is_empty() {
        let own = std::env::var_os("AEGIS_UPDATES_CONTROL_SOCKET");
        let path = own.map_or_else(|| PathBuf::from(CONTROL_SOCKET), PathBuf::from);
        endpoints.push(Endpoint::ControlSocket(path));
    }
    let authority = context.ca_file.as_deref().map(text_of).transpose()?;
    let client = Client::new(Settings {
        endpoints,
        token,
        authority: authority.map(String::into_bytes),
        timeout: globals
            .timeout
            .map_or(TIMEOUT, |timeout| timeout.as_duration()),
        consistency: globals.consistency.map(|choice| choice.name().to_owned()),
        reason: globals.reason.clone(),
        request_key: globals.idempotency_key.clone(),
    })?;
    Ok(Session { client, globals })
}

/// The flag's file before the environment's secret, and both before the context's file.
fn token(globals: &Globals, context: &Context) -> Result<Option<String>, Failure> {
    let given = std::env::var("AEGIS_UPDATES_TOKEN").unwrap_or_default();
    let path = match &globals.token_file {
        Some(path) => path,
        None if !given.trim().is_empty() => return Ok(Some(given.trim().to_owned())),
        None => match &context.token_file {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    Ok(Some(text_of(path)?.trim().to_owned()))
}

fn endpoint(text: &str) -> Result<Endpoint, Failure> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Endpoint::ControlSocket(PathBuf::from(path)));
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Endpoint::Url(text.to_owned()));
    }
    Err(Failure::usage(format!(
        "`{text}` is no endpoint; write https://host:port or unix:/path"
    )))
}

fn context(globals: &Globals) -> Result<Context, Failure> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let path = home.map(|home| home.join("aegis-updates/cli.toml"));
    let contexts: Contexts = match path.as_ref().filter(|path| path.exists()) {
        Some(path) => toml::from_str(&text_of(path)?)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?,
        None => Contexts::default(),
    };
    let Some(name) = globals.context.as_ref().or(contexts.current.as_ref()) else {
        return Ok(Context::default());
    };
    contexts.contexts.get(name).cloned().ok_or_else(|| {
        let known: Vec<_> = contexts.contexts.keys().map(String::as_str).collect();
        Failure::usage(format!(
            "there is no context `{name}`; there are: {}",
            known.join(", ")
        ))
    })
}

fn text_of(path: impl AsRef<Path>) -> Result<String, Failure> {
    let path = path.as_ref();
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}

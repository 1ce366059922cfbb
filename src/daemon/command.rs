//! The verbs that work on this host's own files and processes: `serve`, `run-database`, `cluster init`,
//! `cluster join`. What they print, and with which status they end.

use std::fmt::Display;
use std::io::IsTerminal;
use std::path::Path;

use serde_json::json;
use tracing_subscriber::EnvFilter;

use super::{Error, Options, form, host, serve as daemon};
use crate::access::secret::JoinTicket;
use crate::agent::resident;
use crate::cli::say::{self, note};
use crate::cli::{Exit, Format, Globals, ServeArgs};
use crate::config::check::check;
use crate::config::load::load;
use crate::config::{Config, LogFormat};

/// Runs the daemon until a signal.
pub async fn serve(args: ServeArgs) -> Exit {
    let ServeArgs {
        config: path,
        join,
        data_dir,
        listen,
        insecure_plaintext,
    } = args;
    let Ok(mut config) = read(&path) else {
        return Exit::Configuration;
    };
    if let Some(data_dir) = data_dir {
        config.node.data_dir = data_dir;
    }
    if let Some(listen) = listen {
        config.listen.api = listen;
    }
    config.listen.insecure_plaintext |= insecure_plaintext;
    if !sound(&config) {
        return Exit::Configuration;
    }
    let join = match join.as_deref().map(ticket).transpose() {
        Ok(join) => join,
        Err(exit) => return exit,
    };
    if let Err(error) = log(&config) {
        return failed(Exit::Configuration, error);
    }
    let options = Options {
        config_path: path,
        join,
    };
    match daemon::serve(config, options).await {
        Ok(()) => Exit::Reached,
        Err(error) => failed(exit_of(&error), error),
    }
}

/// The resident parent of this host's database.
pub async fn run_database(path: &Path) -> Exit {
    let Ok(config) = read(path) else {
        return Exit::Configuration;
    };
    let settings = match host::resident_settings(&config) {
        Ok(settings) => settings,
        Err(error) => return failed(Exit::Configuration, error),
    };
    match resident::run(settings).await {
        Ok(()) => Exit::Reached,
        Err(error) => failed(Exit::Internal, error),
    }
}

/// Forms a cluster on this host; the daemon begins it when it starts.
pub fn init(path: &Path, globals: &Globals) -> Exit {
    let Some(config) = read_sound(path) else {
        return Exit::Configuration;
    };
    match form::init(&config) {
        Ok(formed) => {
            let cluster = &formed.identity.cluster;
            let fingerprint = formed.ca_fingerprint;
            match globals.output {
                Format::Json | Format::Yaml => print_json(&json!({
                    "cluster": cluster,
                    "node": formed.identity.node,
                    "token": formed.token.reveal(),
                    "ca_fingerprint": fingerprint,
                })),
                Format::Table | Format::Name => {
                    note!("cluster {cluster} is formed; start `aegis-updates serve` here.");
                    note!("the administrator's token, shown once:");
                    say::data(formed.token.reveal());
                }
            }
            Exit::Reached
        }
        Err(error) => failed_to_form(error),
    }
}

/// Makes this host a member; its daemon takes part when it starts.
pub async fn join(path: &Path, token_file: &Path, globals: &Globals) -> Exit {
    let Some(config) = read_sound(path) else {
        return Exit::Configuration;
    };
    let ticket = match ticket(token_file) {
        Ok(ticket) => ticket,
        Err(exit) => return exit,
    };
    match form::join(&config, &ticket).await {
        Ok(identity) => {
            match globals.output {
                Format::Json | Format::Yaml => print_json(&json!({
                    "cluster": identity.cluster,
                    "node": identity.node,
                    "member": identity.member,
                })),
                Format::Table | Format::Name => note!(
                    "{} is member {} of cluster {}; start `aegis-updates serve` here.",
                    identity.node,
                    identity.member,
                    identity.cluster
                ),
            }
            Exit::Reached
        }
        Err(error) => failed_to_form(error),
    }
}

fn failed_to_form(error: form::Error) -> Exit {
    let exit = match &error {
        form::Error::Refused(_) | form::Error::Member { .. } => Exit::Refused,
        form::Error::Origins(_) => Exit::Configuration,
        form::Error::Unreachable(_) => Exit::Unavailable,
        form::Error::Identity(_) | form::Error::Credentials(_) | form::Error::Directories(_) => {
            Exit::Storage
        }
    };
    failed(exit, error)
}

fn exit_of(error: &Error) -> Exit {
    match error.exit_code() {
        super::EXIT_CONFIGURATION => Exit::Configuration,
        super::EXIT_STORAGE => Exit::Storage,
        _ => Exit::Internal,
    }
}

fn read(path: &Path) -> Result<Config, ()> {
    load(path, std::env::vars()).map_err(|error| note!("error: {error}"))
}

fn read_sound(path: &Path) -> Option<Config> {
    read(path).ok().filter(sound)
}

fn sound(config: &Config) -> bool {
    let problems = check(config);
    for problem in &problems {
        note!("error: {problem}");
    }
    problems.is_empty()
}

fn ticket(path: &Path) -> Result<JoinTicket, Exit> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let why = format!("{} cannot be read: {error}", path.display());
        failed(Exit::Usage, why)
    })?;
    text.parse().map_err(|_| {
        let why = format!("{} holds no join token", path.display());
        failed(Exit::Usage, why)
    })
}

fn log(config: &Config) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&config.log.filter).map_err(|error| format!("log.filter: {error}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let terminal = std::io::stderr().is_terminal();
    let begun = match config.log.format {
        LogFormat::Auto if terminal => lines.try_init(),
        LogFormat::Text => lines.with_ansi(terminal).try_init(),
        LogFormat::Auto | LogFormat::Json => lines.json().try_init(),
    };
    begun.map_err(|error| format!("logging cannot begin: {error}"))
}

fn print_json(value: &serde_json::Value) {
    say::data(&value.to_string());
}

fn failed(exit: Exit, why: impl Display) -> Exit {
    note!("error: {why}");
    exit
}

//! `config check`, `config example` and `config show`.

use std::path::Path;

use super::check::check;
use super::example::EXAMPLE;
use super::load::load;
use crate::cli::say::{self, note};
use crate::cli::{ConfigVerb, Exit};

pub fn run(verb: &ConfigVerb) -> Exit {
    match verb {
        ConfigVerb::Example => {
            say::data(EXAMPLE.trim_end());
            Exit::Reached
        }
        ConfigVerb::Check { config } => judged(config, false),
        ConfigVerb::Show { config } => judged(config, true),
    }
}

fn judged(path: &Path, show: bool) -> Exit {
    let config = match load(path, std::env::vars()) {
        Ok(config) => config,
        Err(error) => {
            note!("error: {error}");
            return Exit::Configuration;
        }
    };
    if show {
        match toml::to_string(&config) {
            Ok(text) => say::data(text.trim_end()),
            Err(error) => {
                note!("error: the configuration cannot be printed: {error}");
                return Exit::Internal;
            }
        }
    }
    let problems = check(&config);
    for problem in &problems {
        note!("error: {problem}");
    }
    if !problems.is_empty() {
        return Exit::Configuration;
    }
    if !show {
        note!("{} is sound", path.display());
    }
    Exit::Reached
}

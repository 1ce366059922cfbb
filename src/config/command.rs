//! `config check`, `config example` and `config show`.

use std::path::Path;

use super::check::check;
use super::example::EXAMPLE;
use super::load::load;
use crate::cli::{ConfigVerb, Exit};

pub fn run(verb: &ConfigVerb) -> Exit {
    match verb {
        ConfigVerb::Example => {
            print!("{EXAMPLE}");
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
            eprintln!("error: {error}");
            return Exit::Configuration;
        }
    };
    if show {
        match toml::to_string(&config) {
            Ok(text) => print!("{text}"),
            Err(error) => {
                eprintln!("error: the configuration cannot be printed: {error}");
                return Exit::Internal;
            }
        }
    }
    let problems = check(&config);
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    if !problems.is_empty() {
        return Exit::Configuration;
    }
    if !show {
        eprintln!("{} is sound", path.display());
    }
    Exit::Reached
}

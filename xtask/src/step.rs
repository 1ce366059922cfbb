//! One step of a verb: says in a line what it does, runs one command, names that command when it
//! fails. Knows no verb.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why a verb ended: a sentence for the person at the terminal.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self(sentence)
    }
}

/// Adds the place to an input/output error, which by itself names no file.
pub fn at<E: fmt::Display>(place: impl fmt::Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure(format!("{place}: {error}"))
}

/// One line per step, on stderr, so that a verb's own data can be piped.
pub fn say(line: impl fmt::Display) {
    eprintln!("xtask: {line}");
}

/// Prints the command and runs it to its end, its output going straight to the terminal. The line
/// is short; only a failure tells the whole command, to be typed again.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    say(words(command)
        .skip(1)
        .fold(program_name(command), |line, word| line + " " + &word));
    let status = command.status().map_err(at(shown(command)))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure(format!("failed with {status}: {}", shown(command))))
}

/// Runs a command for its answer; prints nothing.
pub fn answer(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(at(shown(command)))?;
    if !output.status.success() {
        return Err(Failure(format!(
            "failed with {}: {}",
            output.status,
            shown(command)
        )));
    }
    String::from_utf8(output.stdout).map_err(at(shown(command)))
}

/// Whether a command can be started and says yes; its output is of no interest.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The cargo that runs us, in the environment a person's shell would give it.
///
/// `cargo run` hands its child the variables of package xtask. Build scripts that watch those
/// (`ring` does) would be compiled again at every change between `cargo xtask` and plain `cargo`.
pub fn cargo() -> Command {
    let mut command =
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in std::env::vars_os() {
        if set_by_cargo_run(&name) {
            command.env_remove(&name);
        }
    }
    command
}

fn set_by_cargo_run(name: &OsStr) -> bool {
    const PREFIXES: [&str; 4] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    name.to_str().is_some_and(|name| {
        name == "CARGO_PRIMARY_PACKAGE" || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// A command as it could be typed again: variables that we set, program, arguments.
pub fn shown(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        Some(format!(
            "{}={}",
            name.to_string_lossy(),
            quoted(&value?.to_string_lossy())
        ))
    });
    set.chain(words(command)).collect::<Vec<_>>().join(" ")
}

fn words(command: &Command) -> impl Iterator<Item = String> {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
}

fn program_name(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:+,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed_again() {
        let mut command = Command::new("cargo");
        command.args(["test", "it's one word"]).env("A", "b c");
        assert_eq!(shown(&command), r"A='b c' cargo test 'it'\''s one word'");
    }

    #[test]
    fn a_failure_names_the_command() {
        let failure = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(failure.0.contains("sh -c 'exit 3'"), "{failure}");
        assert!(failure.0.contains('3'), "{failure}");
    }

    #[test]
    fn only_the_variables_of_the_running_package_are_taken_away() {
        assert!(set_by_cargo_run(OsStr::new("CARGO_PKG_NAME")));
        assert!(set_by_cargo_run(OsStr::new("CARGO_MANIFEST_DIR")));
        assert!(!set_by_cargo_run(OsStr::new("CARGO_TARGET_DIR")));
        assert!(!set_by_cargo_run(OsStr::new("CARGO_HOME")));
    }
}

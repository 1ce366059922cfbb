//! `cargo xtask nets [--seeds N] [--rounds N] [--cuts N] [--hours N] [--from N] [--release] [NET …]`: the nets that
//! CI runs a share of, as long as one likes, and a table of what they met. Must not judge: a net's own exit
//! status does.

mod list;
mod table;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::Instant;

use list::{Built, NETS, Net};
use table::Line;

use crate::executables::{Build, Seeds, built, replayed};
use crate::setup::{self, Ready};
use crate::step::{Failure, at, say};

/// The flags, and what each says to the tests.
const FLAGS: [(&str, &str); 5] = [
    ("--seeds", "SEEDS"),
    ("--rounds", "ROUNDS"),
    ("--cuts", "CUTS"),
    ("--hours", "HOURS"),
    ("--from", "FROM"),
];

pub fn verb(arguments: &[String]) -> Result<(), Failure> {
    let Asked {
        told,
        wanted,
        build,
    } = parsed(arguments)?;
    let ready = setup::ready()?;
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    for net in NETS {
        if !wanted.is_empty() && !wanted.contains(&net.name) {
            continue;
        }
        say(format!("net {}", net.name));
        let line = run(&ready, net, &told, build)?;
        if line.failed {
            failed.push(net.name);
        }
        lines.push(line);
        print!("{}", table::of(&lines));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure(format!("failed: {}", failed.join(", "))))
}

type Told = BTreeMap<&'static str, String>;

struct Asked {
    told: Told,
    wanted: Vec<&'static str>,
    build: Build,
}

fn parsed(arguments: &[String]) -> Result<Asked, Failure> {
    let (mut told, mut wanted) = (Told::new(), Vec::new());
    let mut build = Build::Daily;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if let Some((_, variable)) = FLAGS.iter().find(|(flag, _)| flag == argument) {
            let number = rest.next().filter(|value| value.parse::<u64>().is_ok());
            let number = number.ok_or_else(|| Failure(format!("{argument} wants a number")))?;
            told.insert(variable, number.clone());
        } else if argument == "--release" {
            build = Build::Optimised;
        } else if let Some(net) = NETS.iter().find(|net| net.name == argument) {
            wanted.push(net.name);
        } else {
            let names: Vec<_> = NETS.iter().map(|net| net.name).collect();
            let names = names.join(", ");
            return Err(Failure(format!(
                "nets knows no {argument:?}; nets: {names}"
            )));
        }
    }
    Ok(Asked {
        told,
        wanted,
        build,
    })
}

fn run(ready: &Ready, net: &Net, told: &Told, build: Build) -> Result<Line, Failure> {
    let path = match net.built {
        Built::Together => built(ready, net.executable, build)?,
        Built::Replayed => replayed(ready, Seeds::Many)?,
    };
    // One for both, since a net may say its line on either.
    let (heard, said) = std::io::pipe().map_err(at("a pipe"))?;
    let mut command = Command::new(&path);
    ready.tell(&mut command);
    command
        .args(["--exact", net.test, "--include-ignored", "--nocapture"])
        .current_dir(ready.workspace())
        .envs(build.variables().iter().copied())
        .envs(net.variables.iter().copied())
        .envs(told)
        .stdout(said.try_clone().map_err(at("a pipe"))?)
        .stderr(said);
    #[expect(
        clippy::disallowed_methods,
        reason = "tells how long a net ran; decides nothing"
    )]
    let started = Instant::now();
    let mut child = command.spawn().map_err(at(path.display()))?;
    let mut line = Line::new(net.name);
    let mut ran = false;
    // Its ends of the pipe close with the child's.
    drop(command);
    for text in BufReader::new(heard).lines().map_while(Result::ok) {
        println!("{text}");
        ran |= text == "running 1 test";
        line.take(&text);
    }
    let status = child.wait().map_err(at(path.display()))?;
    if !ran {
        return Err(Failure(format!(
            "{} has no test {}",
            net.executable, net.test
        )));
    }
    line.seconds = started.elapsed().as_secs();
    line.failed = !status.success();
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Asked, Failure> {
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        parsed(&words)
    }

    #[test]
    fn flags_and_names_are_told_apart_and_rubbish_is_refused() {
        let Ok(asked) = of("--seeds 5 --release simulation") else {
            panic!("it is well formed");
        };
        assert_eq!(asked.told.get("SEEDS").map(String::as_str), Some("5"));
        assert_eq!(asked.wanted, ["simulation"]);
        assert_eq!(asked.build, Build::Optimised);
        assert!(of("--seeds x").is_err() && of("--seeds").is_err() && of("paper").is_err());
    }
}

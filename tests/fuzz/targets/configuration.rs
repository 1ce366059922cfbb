//! The configuration: text, and after it environment variables. What is read says the same when it is written.

use aegis_updates::config::check::check;
use aegis_updates::config::example::EXAMPLE;
use aegis_updates::config::load::parse;

use crate::runner::{Target, Verdict};

/// Between the text and the variables, one `NAME=value` a line.
const VARIABLES: char = '\u{1}';

#[test]
fn configuration() {
    let whole = EXAMPLE.replace("# ", "");
    let variables = [
        "AEGIS_UPDATES_LISTEN__API=127.0.0.1:1",
        "AEGIS_UPDATES_CLUSTER__URL_ALLOW=[\"https://a.example/\"]\nAEGIS_UPDATES_TIMEOUTS__READ=5s",
        "AEGIS_UPDATES_DATABASE__HTTP__PATH=/x\nAEGIS_UPDATES_LISTEN__INSECURE_PLAINTEXT=true",
        "AEGIS_UPDATES_NODE__NAME__DEEPER__STILL=1",
    ];
    let mut seeds = vec![EXAMPLE.to_owned()];
    for set in &variables[..2] {
        seeds.push(format!("{EXAMPLE}{VARIABLES}{set}"));
    }
    let valid = seeds.iter().map(|text| text.clone().into_bytes());
    let mut seeds: Vec<_> = valid.collect();
    // Lines and names that are known, in whatever order mutations put them together.
    let lines: Vec<&str> = whole.lines().collect();
    for part in lines.chunks(6) {
        let wrapped = format!("{EXAMPLE}\n# {}", part.join("\n# "));
        seeds.push(wrapped.into_bytes());
    }
    let target = Target {
        name: "configuration",
        seeds,
        shape: None,
        inputs: 6_000,
        judge: &|_, bytes| judge(bytes),
    };
    target.run();
    for set in &variables[2..] {
        let _ = judge(format!("{EXAMPLE}{VARIABLES}{set}").as_bytes());
    }
}

fn judge(bytes: &[u8]) -> Result<Verdict, String> {
    let text = String::from_utf8_lossy(bytes);
    let (text, variables) = text.split_once(VARIABLES).unwrap_or((&text, ""));
    let variables = variables.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    let Ok(config) = parse(text, "fuzz", variables) else {
        return Ok(Verdict::Unread);
    };
    let refused = !check(&config).is_empty();
    let written = toml::to_string(&config).map_err(|error| error.to_string())?;
    match parse(&written, "again", std::iter::empty()) {
        Ok(again) if again == config && refused => Ok(Verdict::Refused),
        Ok(again) if again == config => Ok(Verdict::Accepted),
        other => Err(format!("{config:?} is read as {other:?}")),
    }
}

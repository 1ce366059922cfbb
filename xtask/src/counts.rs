//! How many tests each net ran, skipped and ignored, from nextest's own report and listing. Must
//! not decide whether the run was good: nextest's exit status does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::step::{Failure, answer, at};

/// Printed even with nothing in them, because a net that has vanished is what one wants to see.
const NETS: [&str; 10] = [
    "library",
    "raft",
    "simulation",
    "cluster",
    "daemons",
    "sweeps",
    "fuzz",
    "threats",
    "tidy",
    "golden",
];

/// The JUnit file that nextest writes for the profile in use.
pub struct Report {
    path: PathBuf,
}

#[derive(Debug, Default, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
    /// Started and ended at once, saying `skipped: <why>`: the machine lacks what they need.
    skipped: usize,
    /// Marked `#[ignore]` or left out by the profile, and never started.
    ignored: usize,
}

type Counts = BTreeMap<String, Count>;

impl Report {
    /// Nextest keeps reports in the workspace, wherever its target directory lies.
    pub fn expected(workspace: &Path) -> Self {
        let profile = std::env::var("NEXTEST_PROFILE").unwrap_or_else(|_| "default".to_owned());
        Self {
            path: workspace
                .join("target/nextest")
                .join(profile)
                .join("junit.xml"),
        }
    }

    /// A report of an earlier run must not be taken for that of one which did not get far.
    pub fn forget(&self) {
        let _ = fs::remove_file(&self.path);
    }

    pub fn print(&self, listing: &mut Command) -> Result<(), Failure> {
        let mut counts = Counts::new();
        for net in NETS {
            counts.insert(net.to_owned(), Count::default());
        }
        let junit = fs::read_to_string(&self.path).map_err(at(self.path.display()))?;
        count_run(&junit, &mut counts);
        let listed: Value =
            serde_json::from_str(&answer(listing)?).map_err(at("cargo nextest list"))?;
        count_ignored(&listed, &mut counts);
        print!("{}", table(&counts));
        Ok(())
    }
}

fn count_run(junit: &str, counts: &mut Counts) {
    for case in junit.split("<testcase ").skip(1) {
        let Some(binary) = attribute(case, "classname") else {
            continue;
        };
        let count = counts.entry(net(binary).to_owned()).or_default();
        if case.contains("<failure") || case.contains("<error") {
            count.failed += 1;
        } else if says_skipped(case) {
            count.skipped += 1;
        } else {
            count.passed += 1;
        }
    }
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = element.split_once(&format!("{name}=\""))?;
    value.split_once('"').map(|(value, _)| value)
}

/// At the start of a line, or where libtest has begun the line with the element's tag or the
/// test's name.
fn says_skipped(case: &str) -> bool {
    let begins = |text: &str| text.trim_start().starts_with("skipped: ");
    let lines = case.lines().flat_map(|line| line.rsplit('>').next());
    lines
        .into_iter()
        .any(|line| begins(line) || line.split(" ... ").nth(1).is_some_and(begins))
}

fn count_ignored(listed: &Value, counts: &mut Counts) {
    let suites = listed.get("rust-suites").and_then(Value::as_object);
    for (binary, suite) in suites.into_iter().flatten() {
        let cases = suite
            .get("testcases")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let left_out = cases.filter(|(_, case)| {
            case.pointer("/filter-match/status").and_then(Value::as_str) == Some("mismatch")
        });
        counts.entry(net(binary).to_owned()).or_default().ignored += left_out.count();
    }
}

/// The net of a nextest binary id: `package`, `package::test` or `package::kind/name`.
fn net(binary: &str) -> &str {
    let (package, target) = binary.split_once("::").unwrap_or((binary, ""));
    match package {
        "aegis-updates" if target.is_empty() || target.contains('/') => "library",
        "aegis-updates" => target,
        "aegis-updates-raft" if target == "cluster" => target,
        "aegis-updates-raft" => "raft",
        other => other,
    }
}

fn table(counts: &Counts) -> String {
    let mut text = format!(
        "{:<12}{:>8}{:>8}{:>9}{:>9}\n",
        "net", "passed", "failed", "skipped", "ignored"
    );
    let first = NETS.into_iter().filter_map(|net| counts.get_key_value(net));
    let rest = counts
        .iter()
        .filter(|(net, _)| !NETS.contains(&net.as_str()));
    for (
        net,
        Count {
            passed,
            failed,
            skipped,
            ignored,
        },
    ) in first.chain(rest)
    {
        text.push_str(&format!(
            "{net:<12}{passed:>8}{failed:>8}{skipped:>9}{ignored:>9}\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_binary_belongs_to_one_net() {
        assert_eq!(net("aegis-updates"), "library");
        assert_eq!(net("aegis-updates::bin/aegis-updates"), "library");
        assert_eq!(net("aegis-updates::example/reference-node"), "library");
        assert_eq!(net("aegis-updates::daemons"), "daemons");
        assert_eq!(net("aegis-updates-raft"), "raft");
        assert_eq!(net("aegis-updates-raft::suite"), "raft");
        assert_eq!(net("aegis-updates-raft::cluster"), "cluster");
        assert_eq!(net("xtask::bin/xtask"), "xtask");
    }

    #[test]
    fn a_run_is_counted_by_outcome() {
        let junit = r#"<testsuite name="aegis-updates::tidy" tests="3">
            <testcase name="a" classname="aegis-updates::tidy" time="0.1"/>
            <testcase name="b" classname="aegis-updates::tidy" time="0.1">
                <failure type="test failure">it said skipped: in the middle of a line</failure>
            </testcase>
            <testcase name="d" classname="aegis-updates::golden"><system-out>
test d ... skipped: needs /dev/fuse
ok</system-out></testcase>
            <testcase name="c" classname="aegis-updates::tidy"><system-err>skipped: needs root
</system-err></testcase>"#;
        let mut counts = Counts::new();
        count_run(junit, &mut counts);
        assert_eq!(
            counts["tidy"],
            Count {
                passed: 1,
                failed: 1,
                skipped: 1,
                ignored: 0
            }
        );
        assert_eq!(counts["golden"].skipped, 1);
    }

    #[test]
    fn what_the_listing_leaves_out_is_ignored() {
        let listed = json!({"rust-suites": {"aegis-updates::cluster": {"testcases": {
            "long": {"ignored": true, "filter-match": {"status": "mismatch", "reason": "ignored"}},
            "short": {"ignored": false, "filter-match": {"status": "matches"}}
        }}}});
        let mut counts = Counts::new();
        count_ignored(&listed, &mut counts);
        assert_eq!(counts["cluster"].ignored, 1);
    }

    #[test]
    fn the_table_has_a_row_for_an_empty_net_and_for_an_unknown_one() {
        let mut counts = Counts::new();
        counts.insert("golden".into(), Count::default());
        counts.insert(
            "new".into(),
            Count {
                passed: 2,
                ..Count::default()
            },
        );
        let table = table(&counts);
        let rows: Vec<_> = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .collect();
        assert_eq!(rows[1], ["golden", "0", "0", "0", "0"]);
        assert_eq!(rows[2], ["new", "2", "0", "0", "0"]);
    }
}

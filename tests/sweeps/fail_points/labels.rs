//! Every fail point in the source, and the scene in which it is met.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What must go on for a daemon to come past a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// A roll of the host's own node; the number is the passage at which it dies.
    Roll(u32),
    /// Leadership is handed over, because a roll has come to the leader's node.
    Handoff,
    /// A daemon that was formed or joined starts again.
    Restart,
    /// `cluster init`.
    Init(u32),
    /// The first `serve` of a new cluster.
    FirstServe,
    /// `cluster join`.
    Join,
    /// A member that was away for longer than the log reaches back.
    Behind,
    /// A leader comes back with entries that nobody else has.
    Truncated,
}

use Scene::{Behind, FirstServe, Handoff, Init, Join, Restart, Roll, Truncated};

pub const LABELS: [(&str, Scene); 77] = [
    ("vote.before", Handoff),
    ("vote.written", Handoff),
    ("vote.synced", Handoff),
    ("log.append.before", Roll(4)),
    ("log.append.written", Roll(5)),
    ("log.sync.before", Roll(6)),
    ("log.sync.after", Roll(7)),
    ("log.truncate.before", Truncated),
    ("log.truncate.written", Truncated),
    ("log.purge.before", Roll(1)),
    ("log.purge.written", Roll(1)),
    ("committed.before", Roll(5)),
    ("committed.written", Roll(6)),
    ("state.before", Roll(7)),
    ("state.written", Roll(8)),
    ("image.build.before", Roll(1)),
    ("image.build.written", Roll(1)),
    ("image.build.synced", Roll(1)),
    ("image.build.renamed", Roll(1)),
    ("image.adopt.before", Roll(1)),
    ("image.adopt.synced", Roll(1)),
    ("image.adopt.swept", Roll(1)),
    ("image.receive.begin", Behind),
    ("image.receive.chunk", Behind),
    ("image.receive.whole", Behind),
    ("image.receive.synced", Behind),
    ("image.install.before", Behind),
    ("image.install.renamed", Behind),
    ("image.install.marked", Behind),
    ("image.install.rows", Behind),
    ("image.install.written", Behind),
    ("image.install.replaced", Behind),
    ("store.owner.before", FirstServe),
    ("store.owner.synced", FirstServe),
    ("store.format.before", FirstServe),
    ("store.format.renamed", FirstServe),
    ("pki.written", Init(1)),
    ("pki.synced", Init(3)),
    ("pki.renamed", Init(4)),
    ("identity.before", Init(1)),
    ("identity.after", FirstServe),
    ("joining.before", Join),
    ("joining.after", Join),
    ("joining.forget", Join),
    ("marker.before", Restart),
    ("marker.linked", Restart),
    ("files.written", Roll(2)),
    ("files.synced", Roll(3)),
    ("files.renamed", Roll(4)),
    ("files.removed", Roll(1)),
    ("ledger.allowed.before", Roll(1)),
    ("ledger.allowed.after", Roll(1)),
    ("ledger.save.before", Roll(3)),
    ("ledger.save.after", Roll(4)),
    ("download.created", Roll(1)),
    ("download.whole", Roll(1)),
    ("download.synced", Roll(1)),
    ("download.kept", Roll(1)),
    ("stage.before", Roll(1)),
    ("stage.after", Roll(1)),
    ("lock.acting.before", Roll(1)),
    ("lock.acting.after", Roll(1)),
    ("backup.created", Roll(1)),
    ("backup.copied", Roll(1)),
    ("backup.synced", Roll(1)),
    ("backup.kept", Roll(1)),
    ("prepare.created", Roll(1)),
    ("prepare.copied", Roll(1)),
    ("prepare.attributed", Roll(1)),
    ("prepare.synced", Roll(1)),
    ("prepare.ready", Roll(1)),
    ("swap.before", Roll(1)),
    ("swap.after", Roll(1)),
    ("stop.before", Roll(1)),
    ("stop.after", Roll(1)),
    ("start.before", Roll(1)),
    ("start.after", Roll(1)),
];

/// What an ordinary run takes of each scene; the rest is for `LABELS=all`.
const ALWAYS: [&str; 11] = [
    "log.append.written",
    "image.adopt.synced",
    "image.install.marked",
    "image.install.rows",
    "ledger.save.after",
    "prepare.copied",
    "swap.before",
    "swap.after",
    "identity.before",
    "store.format.renamed",
    "joining.after",
];

/// The labels of these scenes that this run is to take.
pub fn chosen(of: impl Fn(Scene) -> bool) -> Vec<(&'static str, Scene)> {
    let asked = std::env::var("LABELS").unwrap_or_default();
    let named: Vec<&str> = asked.split(',').map(str::trim).collect();
    let wanted = |label: &str| match asked.as_str() {
        "" => ALWAYS.contains(&label),
        "all" => true,
        _ => named.contains(&label),
    };
    let all = LABELS.into_iter();
    all.filter(|(label, scene)| of(*scene) && wanted(label))
        .collect()
}

#[test]
fn every_label_is_in_the_source_once_and_every_one_of_the_source_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for file in sources(&root.join("src")).chain(sources(&root.join("raft/src"))) {
        let text = fs::read_to_string(&file).unwrap();
        for call in text.split("fail_point(\"").skip(1) {
            let label = call.split('"').next().unwrap_or_default();
            *found.entry(label.to_owned()).or_default() += 1;
        }
    }
    let listed: BTreeMap<String, usize> = LABELS
        .iter()
        .map(|(label, _)| ((*label).to_owned(), 1))
        .collect();
    assert_eq!(found, listed);
    assert!(LABELS.len() >= 40);
    assert!(ALWAYS.iter().all(|label| listed.contains_key(*label)));
}

fn sources(directory: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
    let entries = fs::read_dir(directory).unwrap();
    Box::new(entries.flat_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return sources(&path);
        }
        let rust = path.extension().is_some_and(|extension| extension == "rs");
        Box::new(rust.then_some(path).into_iter())
    }))
}

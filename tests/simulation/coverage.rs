//! What the seeds travelled: faults, edges, outcomes. A net that meets nothing proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use aegis_updates::plans::{plan, progress};

use crate::faults::Fault;

/// How often a kind of fault must have come, of as many seeds, and how many plans must have ended how.
const FAULTS_MIN: u64 = 200;
const FAULTS_MIN_OF: u64 = 2_000;
const COMPLETED_PERCENT_MIN: u64 = 40;
const ROLLED_BACK_PERCENT_MIN: u64 = 20;

#[derive(Debug, Default, Clone)]
pub struct Coverage {
    pub seeds: u64,
    pub entries: u64,
    pub events: u64,
    pub virtual_ms: u64,
    pub faults: BTreeMap<&'static str, u64>,
    pub leader_changes: u64,
    pub handoffs: u64,
    pub handoffs_failed: u64,
    pub proposals_lost: u64,
    pub proposals_late: u64,
    pub decisions_late: u64,
    pub letters_lost: u64,
    pub letters_doubled: u64,
    pub letters_late: u64,
    pub crashes_between_actions: u64,
    pub bad_downloads: u64,
    pub stubborn_stops: u64,
    /// Plan status edges as (from, to), and node status edges.
    pub plan_edges: BTreeMap<(String, String), u64>,
    pub node_edges: BTreeMap<(String, String), u64>,
    pub commands: BTreeMap<String, u64>,
    pub refusals: BTreeMap<String, u64>,
    pub answers: BTreeMap<String, u64>,
    pub operator: BTreeMap<&'static str, u64>,
    /// How plans ended, or where they wait.
    pub ends: BTreeMap<String, u64>,
    pub releases: u64,
}

impl Coverage {
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.entries += other.entries;
        self.events += other.events;
        self.virtual_ms += other.virtual_ms;
        self.leader_changes += other.leader_changes;
        self.handoffs += other.handoffs;
        self.handoffs_failed += other.handoffs_failed;
        self.proposals_lost += other.proposals_lost;
        self.proposals_late += other.proposals_late;
        self.decisions_late += other.decisions_late;
        self.letters_lost += other.letters_lost;
        self.letters_doubled += other.letters_doubled;
        self.letters_late += other.letters_late;
        self.crashes_between_actions += other.crashes_between_actions;
        self.bad_downloads += other.bad_downloads;
        self.stubborn_stops += other.stubborn_stops;
        self.releases += other.releases;
        merge(&mut self.faults, &other.faults);
        merge(&mut self.plan_edges, &other.plan_edges);
        merge(&mut self.node_edges, &other.node_edges);
        merge(&mut self.commands, &other.commands);
        merge(&mut self.refusals, &other.refusals);
        merge(&mut self.answers, &other.answers);
        merge(&mut self.operator, &other.operator);
        merge(&mut self.ends, &other.ends);
    }

    /// Every kind of fault with how often it struck.
    pub fn fault_counts(&self) -> BTreeMap<&'static str, u64> {
        let mut all = self.faults.clone();
        all.extend([
            ("leader change", self.leader_changes),
            ("handoff fails", self.handoffs_failed),
            ("proposal lost", self.proposals_lost),
            ("proposal late", self.proposals_late),
            ("decision late", self.decisions_late),
            ("letter lost", self.letters_lost),
            ("letter doubled", self.letters_doubled),
            ("letter late", self.letters_late),
            ("crash between actions", self.crashes_between_actions),
            ("bad download", self.bad_downloads),
            ("ignores SIGTERM", self.stubborn_stops),
        ]);
        all
    }

    /// For the table of long runs.
    pub fn line(&self, violations: usize, seconds: u64) -> String {
        let joined = |counts: Vec<(String, u64)>| {
            let one = |(name, count): (String, u64)| format!("{}={count}", name.replace(' ', "-"));
            counts.into_iter().map(one).collect::<Vec<_>>().join(" ")
        };
        let faults = self.fault_counts().into_iter();
        let faults = faults.map(|(name, count)| (name.to_owned(), count));
        let travelled = |edges: &[(&str, &str, &str)], met: &BTreeMap<(String, String), u64>| {
            let all = edges
                .iter()
                .filter(|(from, _, to)| (*from, *to) != BEYOND_SEEDS);
            format!(
                "{}/{}",
                all.count() - untravelled("", edges, met).len(),
                edges.len()
            )
        };
        format!(
            "net simulation: runs={} violations={violations} seconds={seconds} faults: {} covered: plan-edges={} node-edges={} entries={} {}",
            self.seeds,
            joined(faults.collect()),
            travelled(plan::EDGES, &self.plan_edges),
            travelled(progress::EDGES, &self.node_edges),
            self.entries,
            joined(self.ends.clone().into_iter().collect()),
        )
    }

    fn faults_min(&self) -> u64 {
        FAULTS_MIN * self.seeds / FAULTS_MIN_OF
    }

    /// What a full run must have met, for the table of long runs.
    pub fn least(&self) -> String {
        format!(
            "at least: every kind of fault {} times, every edge once, {COMPLETED_PERCENT_MIN} % Completed, {ROLLED_BACK_PERCENT_MIN} % RolledBack",
            self.faults_min()
        )
    }

    /// What a full run must have met and did not.
    pub fn lacking(&self) -> Vec<String> {
        let mut lacking = Vec::new();
        let least = self.faults_min();
        for (name, count) in self.fault_counts() {
            if count < least {
                lacking.push(format!("fault {name}: {count} times, {least} are wanted"));
            }
        }
        let missing = Fault::ALL
            .iter()
            .filter(|fault| !self.faults.contains_key(fault.name()));
        lacking.extend(missing.map(|fault| format!("fault {}: never", fault.name())));
        lacking.extend(untravelled("plan", plan::EDGES, &self.plan_edges));
        lacking.extend(untravelled("node", progress::EDGES, &self.node_edges));
        for (names, wanted) in [
            (["Completed"], COMPLETED_PERCENT_MIN),
            (["RolledBack"], ROLLED_BACK_PERCENT_MIN),
        ] {
            let share = self.share(&names);
            if share < wanted {
                lacking.push(format!(
                    "{names:?}: {share} % of executed plans, {wanted} % are wanted"
                ));
            }
        }
        lacking
    }

    /// Percent of the plans that were executed, by where they ended or wait.
    pub fn share(&self, names: &[&str]) -> u64 {
        let never_ran = self.ends.get("Pending").copied().unwrap_or(0);
        let all: u64 = self.ends.values().sum::<u64>() - never_ran;
        let these: u64 = names.iter().filter_map(|name| self.ends.get(*name)).sum();
        (these * 100).checked_div(all).unwrap_or(0)
    }
}

/// Travelled only when more reports wait than a host keeps; `scenarios::overtaken` goes there.
const BEYOND_SEEDS: (&str, &str) = ("Pending", "Updated");

/// Edges of a status machine that no seed travelled. Two events between the same two statuses count as one,
/// since a fact names the statuses only.
fn untravelled(
    machine: &str,
    edges: &[(&str, &str, &str)],
    met: &BTreeMap<(String, String), u64>,
) -> Vec<String> {
    let travelled = |from: &str, to: &str| met.contains_key(&(from.to_owned(), to.to_owned()));
    let missing = edges
        .iter()
        .filter(|(from, _, to)| (*from, *to) != BEYOND_SEEDS && !travelled(from, to));
    missing
        .map(|(from, event, to)| format!("{machine}: {from} -{event}-> {to}: never"))
        .collect()
}

fn merge<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seeds {}  entries {}  events {}  virtual hours {}",
            self.seeds,
            self.entries,
            self.events,
            self.virtual_ms / 3_600_000
        )?;
        writeln!(f, "faults")?;
        for (name, count) in self.fault_counts() {
            writeln!(f, "  {count:>8}  {name}")?;
        }
        writeln!(f, "plan edges")?;
        for ((from, to), count) in &self.plan_edges {
            writeln!(f, "  {count:>8}  {from} -> {to}")?;
        }
        writeln!(f, "node edges")?;
        for ((from, to), count) in &self.node_edges {
            writeln!(f, "  {count:>8}  {from} -> {to}")?;
        }
        for (title, counts) in [
            ("commands", &self.commands),
            ("refusals", &self.refusals),
            ("answers", &self.answers),
            ("ends", &self.ends),
        ] {
            let line: Vec<String> = counts
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            writeln!(f, "{title}: {}", line.join(", "))?;
        }
        let line: Vec<String> = self
            .operator
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(
            f,
            "operator: {}; handoffs {}",
            line.join(", "),
            self.handoffs
        )
    }
}

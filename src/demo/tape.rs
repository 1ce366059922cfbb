//! What was seen of a run, as a file that can be judged again later: JSON lines, a header first. Times are
//! milliseconds of the run's one clock, which no jump of the wall clock moves; facts keep their leader's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::journal;
use super::record::{Health, Record};
use crate::base::ids::MemberId;
use crate::base::numbers::majority;
use crate::journal::fact::Fact;

/// Raised when an older reader would misread a line.
pub const FORMAT: u32 = 1;

/// What the cluster is, and which time is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub cluster: String,
    pub nodes: Vec<String>,
    pub min_available: usize,
    pub max_unavailable: usize,
    pub quorum_loss_grace_ms: u64,
    /// From the last fault, or from the plan's beginning, to its rest.
    pub rest_within_ms: u64,
    /// SHA-256 of what every database ran at first.
    pub installed: String,
    pub from_ms: u64,
    pub to_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    Process(Process),
    /// `version` is that of a healthy answer; without one it was not healthy from here on.
    Health {
        at_ms: u64,
        database: String,
        version: Option<String>,
    },
    Path(InstallPath),
    Plan(Plan),
    Fact(Written),
    Fault(Fault),
    /// No member answered a linearizable read in this time.
    Silence {
        from_ms: u64,
        until_ms: u64,
    },
    /// The plan's status as the API told it.
    Status {
        at_ms: u64,
        plan: String,
        status: String,
    },
    Traffic(Traffic),
    Rest(Rest),
    /// The longest time between two looks at the process list.
    Gap {
        ms: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub database: String,
    pub pid: u32,
    pub started_ms: u64,
    pub ended_ms: Option<u64>,
    pub sha256: Option<String>,
}

/// The file that a database is started from, whenever it was another or looked otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallPath {
    pub at_ms: u64,
    pub database: String,
    /// `None`: there was no such file.
    pub sha256: Option<String>,
    pub mode: u32,
    pub owner: u32,
    pub group: u32,
}

/// A plan of the run, and what is known of its release beforehand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub id: String,
    pub sha256: String,
    pub version: String,
    /// The release does what a release should, and its origin gives it.
    pub sound: bool,
    /// The release kills or spoils a database while it serves: clients meet that.
    pub harms_clients: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub at_ms: u64,
    pub index: u64,
    pub ordinal: u32,
    pub term: u64,
    pub fact: Fact,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: String,
    pub from_ms: u64,
    pub until_ms: u64,
    /// Daemons that could not take part.
    pub daemons: BTreeSet<String>,
    /// Databases that were hurt by it, and not by any plan.
    pub databases: BTreeSet<String>,
    /// A plan whose release is sound may fail by it.
    pub may_fail_plan: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub sent: usize,
    pub failed: usize,
    /// Some of those that failed.
    pub quoted: Vec<String>,
    pub acknowledged: usize,
    pub read_back: usize,
    pub lost: Vec<String>,
}

/// How everything stood when nothing moved any more, or patience had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    pub at_ms: u64,
    pub plan: String,
    pub status: String,
    pub mixed: bool,
    pub next: usize,
    /// Whether each node's host lets traffic in.
    pub ready: BTreeMap<String, bool>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Tape {
    pub header: Header,
    pub lines: Vec<Line>,
}

impl Tape {
    /// Takes in what the observer saw.
    pub fn add_seen(&mut self, seen: &Record) {
        let processes = seen.processes.iter().map(|process| {
            Line::Process(Process {
                database: process.database.clone(),
                pid: process.life.pid,
                started_ms: process.started_at_ms,
                ended_ms: process.ended_at_ms,
                sha256: process.digest.clone(),
            })
        });
        self.lines.extend(processes);
        let changes = seen.changes.iter().map(|change| Line::Health {
            at_ms: change.at_ms,
            database: change.database.clone(),
            version: match &change.health {
                Health::Healthy { version } => Some(version.clone()),
                Health::Sick { .. } | Health::Silent => None,
            },
        });
        self.lines.extend(changes);
        self.lines.push(Line::Gap {
            ms: seen.scan_gap_ms_max,
        });
    }

    /// Takes in the journal, from its beginning: it names the members and what they keep.
    pub fn add_facts(&mut self, records: &[journal::Record]) {
        let written = records.iter().map(|record| {
            Line::Fact(Written {
                at_ms: record.at_ms,
                index: record.place.0,
                ordinal: record.place.1,
                term: record.term,
                fact: record.fact.clone(),
            })
        });
        self.lines.extend(written);
    }

    /// Every fact of the journal, also of before the time that is judged.
    pub fn all_facts(&self) -> impl Iterator<Item = &Written> {
        self.lines.iter().filter_map(|line| match line {
            Line::Fact(written) => Some(written),
            _ => None,
        })
    }

    /// Facts of the time that is judged.
    pub fn facts(&self) -> impl Iterator<Item = &Written> {
        let from_ms = self.header.from_ms;
        self.all_facts()
            .filter(move |written| written.at_ms >= from_ms)
    }

    /// Processes that ran at some moment of the time that is judged.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        let from_ms = self.header.from_ms;
        self.lines.iter().filter_map(move |line| match line {
            Line::Process(process) if process.ended_ms.is_none_or(|end| end >= from_ms) => {
                Some(process)
            }
            _ => None,
        })
    }

    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.lines.iter().filter_map(|line| match line {
            Line::Plan(plan) => Some(plan),
            _ => None,
        })
    }

    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.lines.iter().filter_map(|line| match line {
            Line::Fault(fault) => Some(fault),
            _ => None,
        })
    }

    pub fn rests(&self) -> impl Iterator<Item = &Rest> {
        self.lines.iter().filter_map(|line| match line {
            Line::Rest(rest) => Some(rest),
            _ => None,
        })
    }

    /// The nodes of the cluster just before the entry at `place`.
    pub fn members_at(&self, place: (u64, u32)) -> BTreeSet<&str> {
        let mut members = BTreeSet::new();
        let before = self.all_facts();
        for written in before.filter(|written| (written.index, written.ordinal) < place) {
            match &written.fact {
                Fact::ClusterFormed { node, .. } | Fact::NodeJoined { node, .. } => {
                    members.insert(node.as_str());
                }
                Fact::NodeRemoved { node } => {
                    members.remove(node.as_str());
                }
                _ => {}
            }
        }
        members
    }

    /// How many databases must stay healthy there: what was set for the nodes of the record, else what the
    /// default gives for as many members as there are.
    pub fn min_available_at(&self, place: (u64, u32)) -> usize {
        let Header {
            nodes,
            min_available,
            max_unavailable,
            ..
        } = &self.header;
        let count = self.members_at(place).len();
        if count == nodes.len() {
            return *min_available;
        }
        majority(count).min(count.saturating_sub(*max_unavailable))
    }

    /// The nodes that a plan ended with: a plan is over all of the cluster, and whoever is removed while it is
    /// live belongs to it no more, joined anew or not.
    pub fn nodes_of(&self, plan: &str) -> BTreeSet<&str> {
        let ended = self.all_facts().filter(|written| {
            matches!(&written.fact, Fact::PlanStatus { plan: of, .. } if of.to_string() == plan)
        });
        let ended = ended.last().map(|written| (written.index, written.ordinal));
        let mut nodes: BTreeSet<&str> = self.header.nodes.iter().map(String::as_str).collect();
        for written in self.facts() {
            if let Fact::NodeRemoved { node } = &written.fact
                && ended.is_none_or(|ended| (written.index, written.ordinal) < ended)
            {
                nodes.remove(node.as_str());
            }
        }
        nodes
    }

    pub fn node_of(&self, member: MemberId) -> Option<&str> {
        self.all_facts().find_map(|written| match &written.fact {
            Fact::ClusterFormed {
                node, member: of, ..
            }
            | Fact::NodeJoined { node, member: of }
                if *of == member =>
            {
                Some(node.as_str())
            }
            _ => None,
        })
    }

    /// The last healthy version of a database at `at_ms`; `None` while it was not healthy.
    pub fn version_at(&self, name: &str, at_ms: u64) -> Option<&str> {
        let last = self.lines.iter().rev().find_map(|line| match line {
            Line::Health {
                at_ms: since_ms,
                database,
                version,
            } if database == name && *since_ms <= at_ms => Some(version.as_deref()),
            _ => None,
        });
        last.flatten()
    }

    /// The first moment from `at_ms` on at which a database was healthy.
    pub fn healthy_from(&self, name: &str, at_ms: u64) -> Option<u64> {
        self.lines.iter().find_map(|line| match line {
            Line::Health {
                at_ms: since_ms,
                database,
                version: Some(_),
            } if database == name && *since_ms >= at_ms => Some(*since_ms),
            _ => None,
        })
    }
}

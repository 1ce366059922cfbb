//! One act of the demo as data: what everybody saw of it, and what it must show.

use std::collections::{BTreeMap, BTreeSet};

use super::balancer;
use super::load;
use super::passes::StepFact;
use super::read_back::ReadBack;
use super::record::Record;

/// Everything that is known of one act, from everybody who saw it.
#[derive(Debug, Clone)]
pub struct Act {
    pub name: String,
    pub title: String,
    pub from_ms: u64,
    pub to_ms: u64,
    /// What the plan ended as.
    pub status: String,
    pub facts: Vec<StepFact>,
    /// The node whose daemon led when the plan began.
    pub led_at_start: Option<String>,
    pub connections: u32,
    pub load: load::Log,
    pub read_back: ReadBack,
    pub balancer: Vec<balancer::Event>,
    pub seen: Record,
    pub expected: Expected,
}

#[derive(Debug, Clone)]
pub struct Expected {
    pub status: String,
    pub databases: BTreeMap<String, Database>,
    /// SHA-256 of every executable that may run at any time of the act.
    pub digests_allowed: BTreeSet<String>,
    /// The nodes that are taken, in whatever order the rules give.
    pub taken: BTreeSet<String>,
    pub order: Order,
    pub down_together_max: usize,
    pub failures: Failures,
    pub requests_min: usize,
    /// Acknowledged, and read back.
    pub writes_min: usize,
    pub rate_min_per_s: f64,
    pub connections_min: u32,
}

/// How one database must end, and how often it may have been started within the act.
#[derive(Debug, Clone)]
pub struct Database {
    pub digest: String,
    pub version: String,
    pub starts: usize,
}

/// What requests that fail mean for an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// Not one may.
    None,
    /// A control run, without what keeps clients from harm: it shows what that is good for.
    Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Every follower before the node that led at the start, and no node while it leads.
    LeaderLast,
    /// No node while it leads; for acts in which leadership moves by force.
    NoneWhileLeading,
}

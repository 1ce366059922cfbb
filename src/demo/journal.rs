//! Follows the cluster's journal through the API, and turns its records into the steps of the report
//! and into one line each for whoever watches. Knows no act and judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::api::Api;
use super::error::Error;
use super::passes::StepFact;
use crate::base::ids::{MemberId, NodeName};
use crate::journal::fact::Fact;
use crate::plans::progress::Step;

/// Records in one answer.
const PAGE: usize = 500;
const PATIENCE: Duration = Duration::from_secs(10);

/// A record, as far as it matters here.
#[derive(Debug, Clone)]
pub struct Record {
    /// Log index, and number within the entry.
    pub place: (u64, u32),
    pub term: u64,
    /// When the leader proposed it, in Unix milliseconds.
    pub at_ms: u64,
    pub fact: Fact,
}

/// A row of `GET /journal`.
#[derive(Debug, Deserialize)]
struct Row {
    index: u64,
    ordinal: u32,
    term: u64,
    /// Absent from the entry that forms the cluster: the log's clock begins after it.
    at: Option<String>,
    fact: Fact,
}

/// The journal as far as it was read.
#[derive(Debug)]
pub struct Journal {
    api: Api,
    pub records: Vec<Record>,
    /// Who leads or led a term, as the log says.
    leaders: BTreeMap<u64, MemberId>,
    members: BTreeMap<MemberId, NodeName>,
}

impl Journal {
    pub fn new(api: Api) -> Self {
        Self {
            api,
            records: Vec::new(),
            leaders: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }

    /// Reads on; returns how many records there were before.
    pub async fn read_on(&mut self) -> Result<usize, Error> {
        let had = self.records.len();
        loop {
            let page = self.page().await?;
            let full = page.len() >= PAGE;
            for record in page {
                self.take_in(record);
            }
            if !full {
                return Ok(had);
            }
        }
    }

    /// The name of the node whose daemon led `term`.
    pub fn leader_of(&self, term: u64) -> Option<&NodeName> {
        self.members.get(self.leaders.get(&term)?)
    }

    /// The node whose daemon leads now, as far as was read.
    pub fn leader(&self) -> Option<&NodeName> {
        let newest = self.leaders.keys().next_back()?;
        self.leader_of(*newest)
    }

    /// What a record says about a node's way through the roll; `None`: nothing.
    pub fn step(&self, record: &Record) -> Option<StepFact> {
        let (node, step) = match &record.fact {
            Fact::StepEntered { node, step, .. } => (node, step.name().to_owned()),
            Fact::NodeStatus { node, from, to, .. } if from != to && !is_step(to) => {
                (node, to.clone())
            }
            _ => return None,
        };
        Some(StepFact {
            at_ms: record.at_ms,
            node: node.to_string(),
            step,
            term: record.term,
            leader: self.leader_of(record.term) == Some(node),
        })
    }

    /// One line about a record for people; `None`: it is of no interest to them.
    pub fn line(&self, record: &Record) -> Option<String> {
        if let Some(fact) = self.step(record) {
            let role = if fact.leader { "leader" } else { "follower" };
            let why = match &record.fact {
                Fact::NodeStatus {
                    detail: Some(detail),
                    ..
                } => format!(": {detail}"),
                _ => String::new(),
            };
            return Some(format!("{:<9} {role:<9} {}{why}", fact.node, fact.step));
        }
        let (subject, what) = match &record.fact {
            Fact::TermOpened { leader, .. } => (
                self.members.get(leader).map(ToString::to_string),
                format!("leads term {}", record.term),
            ),
            Fact::HandoffFailed { reason, .. } => (None, format!("handoff failed: {reason}")),
            Fact::PlanStatus {
                plan, to, detail, ..
            } => {
                let why = detail.as_ref().map(|why| format!(": {why}"));
                (
                    Some(plan.to_string()),
                    format!("is {to}{}", why.unwrap_or_default()),
                )
            }
            Fact::QuorumLost { plan, cause } => {
                (Some(plan.to_string()), format!("quorum lost: {cause}"))
            }
            Fact::UnknownHands { node, detail } => {
                (Some(node.to_string()), format!("unknown hands: {detail}"))
            }
            Fact::ActedIsolated { node, detail } => {
                (Some(node.to_string()), format!("acted alone: {detail}"))
            }
            Fact::Alarm { detail } => (None, format!("alarm: {detail}")),
            _ => return None,
        };
        Some(format!(
            "{:<9} {:<9} {what}",
            subject.unwrap_or_default(),
            ""
        ))
    }

    async fn page(&self) -> Result<Vec<Record>, Error> {
        let after = self.records.last().map(|last| last.place);
        let after = after.map(|(index, ordinal)| format!("&cursor={index}.{ordinal}"));
        let path = format!("/journal?limit={PAGE}{}", after.unwrap_or_default());
        let mut body = self.api.get(&path, PATIENCE).await?;
        let rows = body.get_mut("records").map(serde_json::Value::take);
        let rows: Vec<Row> = serde_json::from_value(rows.unwrap_or_default())
            .map_err(|why| Error(format!("the journal cannot be read: {why}")))?;
        rows.into_iter().map(read).collect()
    }

    fn take_in(&mut self, record: Record) {
        match &record.fact {
            Fact::TermOpened { leader, .. } => {
                self.leaders.insert(record.term, *leader);
            }
            Fact::ClusterFormed { node, member, .. } | Fact::NodeJoined { node, member } => {
                self.members.insert(*member, node.clone());
            }
            _ => {}
        }
        self.records.push(record);
    }
}

fn read(row: Row) -> Result<Record, Error> {
    let at = row.at.as_deref().map(unix_ms).transpose()?;
    Ok(Record {
        place: (row.index, row.ordinal),
        term: row.term,
        at_ms: at.unwrap_or_default(),
        fact: row.fact,
    })
}

fn unix_ms(text: &str) -> Result<u64, Error> {
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|why| Error(format!("`{text}` in the journal is no time: {why}")))?;
    Ok(u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default())
}

fn is_step(status: &str) -> bool {
    Step::ALL.iter().any(|step| step.name() == status)
}

//! What a host must not forget: its newest generation, how far it came, what it reported. Plain data; the
//! driver writes it to disk. What may be forgotten is in `memory`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::action::Act;
use super::input::{Failure, Process};
use crate::base::digest::Digest;
use crate::base::ids::{Generation, NodeName};
use crate::fleet::intent::{Goal, Intent, Which};
use crate::fleet::observation::{Answer, Database, Observation, Rejoin};
use crate::plans::progress::Step;
use crate::plans::spec::Binary;

/// Times are boot-time milliseconds of `boot`; `advance` carries them over to another boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub node: NodeName,
    pub boot: Option<Digest>,
    /// The newest generation accepted; a lower one is refused.
    pub newest: Generation,
    pub work: Option<Work>,
    /// The newest attempt at any begin.
    pub attempts: u64,
    /// The newest report.
    pub sequence: u64,
    /// Reports the log does not show yet, oldest first. One sequence never has two contents.
    pub outbox: Vec<Observation>,
    /// The newest act's id.
    pub acts: u64,
    /// Written before the act is done, taken out after it ended.
    pub flight: Option<Flight>,
    /// This daemon lets the database take traffic.
    pub ready: bool,
    /// When `ready` went off.
    pub unready_ms: u64,
    /// The adapter was told to drain, and not yet to undrain.
    pub drained: bool,
    /// Lies verified beside the install path.
    pub prepared: Option<Digest>,
    /// This machine renamed over the install path, and no process was started from it yet.
    pub swapped: bool,
    /// The last binary that was seen healthy.
    pub good: Option<Binary>,
    /// The database as this machine left it: any other is somebody else's work.
    pub known: Known,
    /// The database of the newest report.
    pub reported: Option<Database>,
    /// What was done without quorum, once per isolation.
    pub alone: Option<Alone>,
}

/// The newest generation's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub intent: Intent,
    pub phase: Phase,
    /// When the phase was entered.
    pub since_ms: u64,
    pub ask: Option<Ask>,
    /// Set before the rename: from here only this host's answer or a rollback ends the work.
    pub acted: bool,
    /// Parts of the phase that are done; each phase counts its own.
    pub part: u8,
    /// Failed tries of the part in hand, and how the last one ended when that is still to be judged.
    pub tries: u32,
    pub failure: Option<Failure>,
    /// The process the restart must replace.
    pub replaces: Option<Process>,
    /// What peers said while the database was down; their `last_seen` must grow from here.
    pub marks: Option<BTreeMap<String, Option<u64>>>,
    pub rejoin: Option<Rejoin>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Accepted; nothing was done. A take waits here for its first begin.
    Accepted,
    At(Step),
    /// Install path as the running file, undrained, ready; then the answer, if one is due.
    PuttingBack(Option<Answer>),
    /// `database`: what the newest report of this answer carried.
    Answered {
        answer: Answer,
        database: Database,
    },
}

/// The newest attempt at a begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub which: Which,
    pub attempt: u64,
    /// When this attempt was sent; `None` when that was in another boot.
    pub sent_ms: Option<u64>,
    /// When this begin was first asked for.
    pub first_ms: u64,
    /// Why the newest attempt was refused.
    pub refused: Option<String>,
    /// Why an older one was.
    pub last_refused: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    pub id: u64,
    pub act: Act,
    pub owner: Owner,
}

/// Who asked for an act, and gets its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    Work,
    /// Undraining outside any work.
    Tidying,
    /// An isolated host.
    Alone,
}

/// `None` = not seen since this machine changed it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub process: Option<Process>,
    pub digest: Option<Digest>,
    pub installed: Option<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alone {
    /// The install path was started, at this time.
    Started { at_ms: u64 },
    /// The rollback target is being put in place; `part` of it is done.
    Restoring { part: u8 },
    /// Nothing more is done alone.
    Restored,
}

impl Ledger {
    pub fn new(node: NodeName) -> Self {
        Self {
            node,
            boot: None,
            newest: Generation::default(),
            work: None,
            attempts: 0,
            sequence: 0,
            outbox: Vec::new(),
            acts: 0,
            flight: None,
            ready: true,
            unready_ms: 0,
            drained: false,
            prepared: None,
            swapped: false,
            good: None,
            known: Known::default(),
            reported: None,
            alone: None,
        }
    }

    /// The step in hand, for people and samples.
    pub fn step(&self) -> Option<Step> {
        match self.work.as_ref()?.phase {
            Phase::At(step) => Some(step),
            _ => None,
        }
    }

    /// What a supervisor may start from the install path without asking anybody.
    pub fn startable(&self) -> BTreeSet<Digest> {
        let mut allowed: BTreeSet<Digest> = self.good.iter().map(|good| good.digest).collect();
        if let Some(work) = &self.work {
            allowed.extend(work.intent.goal.wants().map(|binary| binary.digest));
            if let Goal::Update {
                rollback_target, ..
            } = &work.intent.goal
            {
                allowed.insert(rollback_target.digest);
            }
        }
        allowed
    }
}

impl Work {
    pub const fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Answered { .. })
    }
}

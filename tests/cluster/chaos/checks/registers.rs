//! Plans seen through any member are linearizable (I13), judged from what clients saw alone: Wing and Gong's
//! search, with Lowe's memo of visited configurations ("Testing for linearizability", 2017). Linearizability
//! is local, so every plan is judged by itself. What plans do by themselves may happen at any time between.

use std::collections::BTreeSet;

use aegis_updates::plans::plan::EDGES;

/// A plan as a client can tell it: `None` before it was created.
pub type Seen = Option<(u64, &'static str)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    Read(Seen),
    /// The plan was created, in this status.
    Created(&'static str),
    /// An operator's word that gives a new revision, or left the plan at this one. `None`: unknown, it may
    /// never have been taken.
    Steered {
        event: &'static str,
        revision: Option<u64>,
    },
    /// Pending to InProgress, at the same revision.
    Executed {
        known: bool,
    },
}

#[derive(Debug, Clone)]
pub struct Op {
    pub began_ns: u64,
    /// An unknown write may take effect at any later time.
    pub ended_ns: u64,
    pub did: Did,
}

impl Op {
    const fn may_be_left_out(&self) -> bool {
        matches!(
            self.did,
            Did::Steered { revision: None, .. } | Did::Executed { known: false }
        )
    }
}

/// What the plan may be: its revision, and every status that it may have by now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Model {
    revision: u64,
    statuses: BTreeSet<&'static str>,
}

type Place = Option<Model>;

/// Events that only operators cause.
const OPERATORS: [&str; 2] = ["execute", "resume"];

/// A search that visits more than this is given up; a real violation is found long before.
const VISITED_MAX: usize = 300_000;
const TOLD_MAX: usize = 30;

pub fn judge(ops: &[Op]) -> Result<(), String> {
    let mut ops = ops.to_vec();
    // The search takes what ended first first, and an unknown write last of all.
    ops.sort_by_key(|op| std::cmp::Reverse(op.ended_ns));
    let mut seen = BTreeSet::new();
    let mut left: Vec<(BTreeSet<usize>, Place)> = vec![(BTreeSet::new(), None)];
    let mut furthest = 0;
    while let Some((done, place)) = left.pop() {
        let required = |at: &usize| !done.contains(at) && !ops[*at].may_be_left_out();
        let Some(end) = (0..ops.len())
            .filter(required)
            .map(|at| ops[at].ended_ns)
            .min()
        else {
            return Ok(());
        };
        furthest = furthest.max(done.len());
        if seen.len() > VISITED_MAX {
            eprintln!(
                "a search for an order of {} requests was given up",
                ops.len()
            );
            return Ok(());
        }
        let next = (0..ops.len()).filter(|at| !done.contains(at) && ops[*at].began_ns <= end);
        for at in next {
            for place in after(&place, &ops[at].did) {
                let mut done = done.clone();
                done.insert(at);
                if seen.insert((done.clone(), place.clone())) {
                    left.push((done, place));
                }
            }
        }
    }
    // Oldest end first, and not more than a person reads.
    let told = ops
        .iter()
        .rev()
        .skip(furthest.saturating_sub(10))
        .take(TOLD_MAX);
    let told: Vec<String> = told.map(|op| format!("{op:?}")).collect();
    Err(format!(
        "no order explains it; {furthest} of {} were placed:\n{}",
        ops.len(),
        told.join("\n")
    ))
}

/// Where the plan can be after this; nothing when it cannot have been so.
fn after(place: &Place, did: &Did) -> Vec<Place> {
    match did {
        Did::Read(seen) => match (place, seen) {
            (None, None) => vec![None],
            // Created by a write whose answer was lost, or by the taking back of another plan.
            (None, Some((1, status))) => vec![model(1, [*status])],
            (Some(known), Some((revision, status)))
                if known.revision == *revision && known.statuses.contains(status) =>
            {
                vec![model(*revision, [*status])]
            }
            _ => Vec::new(),
        },
        Did::Created(status) => match place {
            None => vec![model(1, [*status])],
            Some(_) => Vec::new(),
        },
        Did::Executed { .. } => match place {
            Some(known) if known.statuses.contains("Pending") => {
                vec![model(known.revision, ["InProgress"])]
            }
            Some(known) => vec![Some(known.clone())],
            None => Vec::new(),
        },
        Did::Steered { event, revision } => steered(place, event, *revision),
    }
}

fn steered(place: &Place, event: &str, revision: Option<u64>) -> Vec<Place> {
    let Some(known) = place else {
        return Vec::new();
    };
    let mut places = Vec::new();
    let unchanged = revision.is_none_or(|revision| revision == known.revision);
    if unchanged && revision.is_some() {
        places.push(place.clone());
    }
    if revision.is_none_or(|revision| revision == known.revision + 1) {
        let to: BTreeSet<&'static str> = known
            .statuses
            .iter()
            .flat_map(|status| turned(status, event))
            .collect();
        if !to.is_empty() {
            places.push(model(known.revision + 1, to));
        }
    }
    places
}

fn turned(status: &'static str, event: &str) -> Vec<&'static str> {
    match (event, status) {
        ("pause", "InProgress" | "RollingBack") => vec!["Paused"],
        ("resume", "Paused") => vec!["InProgress", "RollingBack"],
        ("rollback", "InProgress" | "Paused" | "RollingBack") => vec!["RollingBack"],
        ("cancel", "Pending") => vec!["Cancelled"],
        ("cancel", "InProgress" | "Paused") => vec![status],
        ("node", "InProgress" | "Paused" | "RollingBack") => vec![status],
        _ => Vec::new(),
    }
}

/// With every status that the plan can reach from there by itself.
fn model(revision: u64, from: impl IntoIterator<Item = &'static str>) -> Place {
    let mut statuses: BTreeSet<&'static str> = from.into_iter().collect();
    loop {
        let more: Vec<&'static str> = EDGES
            .iter()
            .filter(|(from, event, _)| statuses.contains(from) && !OPERATORS.contains(event))
            .map(|(_, _, to)| *to)
            .filter(|to| !statuses.contains(to))
            .collect();
        if more.is_empty() {
            return Some(Model { revision, statuses });
        }
        statuses.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(began_ns: u64, ended_ns: u64, did: Did) -> Op {
        Op {
            began_ns,
            ended_ns,
            did,
        }
    }

    fn read(began_ns: u64, ended_ns: u64, seen: Seen) -> Op {
        op(began_ns, ended_ns, Did::Read(seen))
    }

    fn steered(began_ns: u64, ended_ns: u64, event: &'static str, revision: Option<u64>) -> Op {
        op(began_ns, ended_ns, Did::Steered { event, revision })
    }

    fn a_plan() -> Vec<Op> {
        vec![
            op(0, 10, Did::Created("Pending")),
            op(20, 30, Did::Executed { known: true }),
            steered(40, 50, "pause", Some(2)),
        ]
    }

    #[test]
    fn a_plain_history_is_taken() {
        let mut ops = a_plan();
        ops.push(read(5, 45, Some((2, "Paused"))));
        ops.push(read(41, 60, Some((1, "InProgress"))));
        ops.push(read(60, 70, Some((2, "Paused"))));
        ops.push(steered(80, 90, "resume", Some(3)));
        ops.push(read(95, 99, Some((3, "Completed"))));
        assert_eq!(judge(&ops), Ok(()));
    }

    #[test]
    fn a_pause_that_is_not_seen_afterwards_is_caught() {
        let mut ops = a_plan();
        ops.push(read(60, 70, Some((1, "InProgress"))));
        assert!(judge(&ops).is_err());
    }

    #[test]
    fn a_status_that_goes_back_is_caught() {
        let mut ops = a_plan();
        ops.push(read(51, 52, Some((2, "Failed"))));
        ops.push(read(53, 54, Some((2, "Paused"))));
        assert!(judge(&ops).is_err());
    }

    #[test]
    fn an_unknown_write_may_come_late_or_never_but_only_once() {
        let unknown = steered(60, u64::MAX, "resume", None);
        let mut ops = a_plan();
        ops.push(unknown);
        assert_eq!(judge(&ops), Ok(()));
        ops.push(read(70, 71, Some((2, "Paused"))));
        ops.push(read(72, 73, Some((3, "InProgress"))));
        assert_eq!(judge(&ops), Ok(()));
        ops.push(read(74, 75, Some((4, "InProgress"))));
        assert!(judge(&ops).is_err());
    }

    #[test]
    fn a_plan_seen_and_then_missing_is_caught() {
        let mut ops = a_plan();
        ops.push(read(60, 70, None));
        assert!(judge(&ops).is_err());
    }
}

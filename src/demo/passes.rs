//! From single step facts to passes: one pass is one node's way from its take to its end. Times of a
//! step come from the facts; what the updater itself took is told apart with the observer's record.

use super::record::{Process, Record};

/// A node entered a step, as the journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFact {
    pub at_ms: u64,
    pub node: String,
    /// The step's or the node status's name as the API writes it: `Taken`, `Draining`, `Updated`.
    pub step: String,
    pub term: u64,
    /// The node's daemon led the cluster at that moment.
    pub leader: bool,
}

/// One node, from the first disruptive step to the step that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    pub node: String,
    pub term: u64,
    pub leader: bool,
    pub begin_ms: u64,
    /// `None`: the pass never ended.
    pub end_ms: Option<u64>,
    /// Entered steps in order, with their times; the last one is the end.
    pub steps: Vec<(String, u64)>,
}

/// Where the updater's own time on a node went; everything else is the database's, or was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Own {
    /// From the end of the pass before to the drain of this one: decide, hand over, take, begin.
    pub take_ms: u64,
    /// Flushing, BackingUp and Swapping.
    pub files_ms: u64,
    /// From the end of the old process to the start of the new one.
    pub gap_ms: u64,
    /// From the start of the new process to the step that waits for its health.
    pub notice_ms: u64,
}

const BEFORE: [&str; 3] = ["Pending", "Staging", "Staged"];
const ENDS: [&str; 5] = [
    "Updated",
    "RolledBack",
    "Failed",
    "NeedsOperator",
    "Skipped",
];
const TAKEN: &str = "Taken";
const ROLLBACK: &str = "RollingBack";
const FIRST: &str = "Draining";

impl Pass {
    /// How long the pass was in `step`, all visits together; `None`: never.
    pub fn duration_ms(&self, step: &str) -> Option<u64> {
        let visits: Vec<u64> = self
            .steps
            .windows(2)
            .filter_map(|pair| match pair {
                [(name, begin), (_, end)] if name == step => Some(end.saturating_sub(*begin)),
                _ => None,
            })
            .collect();
        (!visits.is_empty()).then(|| visits.iter().sum())
    }

    /// Name of the step that it is in, or that ended it.
    pub fn last_step(&self) -> &str {
        self.steps.last().map_or("", |(name, _)| name)
    }

    /// True when this pass takes the node back to the release that it came from.
    pub fn is_rollback(&self) -> bool {
        self.steps
            .iter()
            .any(|(name, _)| name == ROLLBACK || name == "RolledBack")
    }

    fn entered_ms(&self, step: &str) -> Option<u64> {
        self.steps
            .iter()
            .find(|(name, _)| name == step)
            .map(|(_, at_ms)| *at_ms)
    }
}

/// Groups facts into passes, in the order in which these began.
pub fn passes(facts: &[StepFact]) -> Vec<Pass> {
    let mut facts: Vec<&StepFact> = facts.iter().collect();
    facts.sort_by_key(|fact| fact.at_ms);
    let mut passes: Vec<Pass> = Vec::new();
    for fact in facts {
        let open = passes
            .iter_mut()
            .rev()
            .find(|pass| pass.node == fact.node && pass.end_ms.is_none());
        match open {
            Some(pass) if !begins_anew(pass, fact) => {
                pass.steps.push((fact.step.clone(), fact.at_ms));
                if ends(&fact.step) {
                    pass.end_ms = Some(fact.at_ms);
                }
            }
            // An end without a beginning tells of a node that needed nothing done.
            None if ends(&fact.step) => {}
            open => {
                if let Some(pass) = open {
                    pass.end_ms = Some(fact.at_ms);
                }
                passes.push(Pass {
                    node: fact.node.clone(),
                    term: fact.term,
                    leader: fact.leader,
                    begin_ms: fact.at_ms,
                    end_ms: None,
                    steps: vec![(fact.step.clone(), fact.at_ms)],
                });
            }
        }
    }
    passes
}

/// From the first `Staging` to the first `Staged` after it, for each node that staged, by node name.
pub fn staging_ms(facts: &[StepFact]) -> Vec<(String, u64)> {
    let mut nodes: Vec<&String> = facts.iter().map(|fact| &fact.node).collect();
    nodes.sort();
    nodes.dedup();
    let entered = |node: &String, step: &str| {
        let of_step = |fact: &&StepFact| fact.node == *node && fact.step == step;
        facts.iter().filter(of_step).map(|fact| fact.at_ms).min()
    };
    nodes
        .into_iter()
        .filter_map(|node| {
            let took_ms = entered(node, "Staged")?.checked_sub(entered(node, "Staging")?)?;
            Some((node.clone(), took_ms))
        })
        .collect()
}

/// The updater's own time on the pass at `index`; `None` while the pass did not end, or when its
/// database was not restarted in it.
pub fn own_time(passes: &[Pass], index: usize, seen: &Record) -> Option<Own> {
    let pass = passes.get(index)?;
    let end_ms = pass.end_ms?;
    let (old_end_ms, new) = restart(seen, &pass.node, pass.begin_ms, end_ms)?;
    let ended_before = passes
        .iter()
        .filter_map(|other| other.end_ms)
        .filter(|end| *end <= pass.begin_ms)
        .max();
    let files = ["Flushing", "BackingUp", "Swapping"];
    let waiting = [TAKEN, ROLLBACK];
    Some(Own {
        take_ms: ended_before.map_or(0, |end| pass.begin_ms - end)
            + waiting
                .iter()
                .filter_map(|step| pass.duration_ms(step))
                .sum::<u64>(),
        files_ms: files.iter().filter_map(|step| pass.duration_ms(step)).sum(),
        gap_ms: new.started_at_ms.saturating_sub(old_end_ms),
        notice_ms: pass
            .entered_ms("Verifying")
            .map_or(0, |at_ms| at_ms.saturating_sub(new.started_at_ms)),
    })
}

impl Own {
    pub fn total_ms(&self) -> u64 {
        self.take_ms + self.files_ms + self.gap_ms + self.notice_ms
    }
}

/// A status before the take ends a pass too: the node was given back.
fn ends(step: &str) -> bool {
    ENDS.contains(&step) || BEFORE.contains(&step)
}

/// A take opens a pass, and the drain after it belongs to that; any other drain is a new pass, since
/// it comes from a take that nobody told of.
fn begins_anew(open: &Pass, fact: &StepFact) -> bool {
    match fact.step.as_str() {
        TAKEN | ROLLBACK => open.last_step() != fact.step,
        FIRST => ![TAKEN, ROLLBACK, FIRST].contains(&open.last_step()),
        _ => false,
    }
}

/// The end of the process that a pass stopped, and the process that followed it.
fn restart<'a>(
    seen: &'a Record,
    node: &str,
    from_ms: u64,
    to_ms: u64,
) -> Option<(u64, &'a Process)> {
    let of_node = || {
        seen.processes
            .iter()
            .filter(|process| process.database == node)
    };
    let old_end_ms = of_node()
        .filter_map(|process| process.ended_at_ms)
        .filter(|ended| (from_ms..=to_ms).contains(ended))
        .min()?;
    let old = of_node().find(|process| process.ended_at_ms == Some(old_end_ms))?;
    let new = of_node()
        .filter(|process| process.started_at_ms > old.started_at_ms)
        .min_by_key(|process| process.started_at_ms)?;
    Some((old_end_ms, new))
}

#[cfg(test)]
mod tests {
    use super::super::process::Life;
    use super::*;

    fn facts(rows: &[(u64, &str, &str)]) -> Vec<StepFact> {
        rows.iter()
            .map(|(at_ms, node, step)| StepFact {
                at_ms: *at_ms,
                node: (*node).to_owned(),
                step: (*step).to_owned(),
                term: 3,
                leader: false,
            })
            .collect()
    }

    fn process(pid: u32, started_at_ms: u64, ended_at_ms: Option<u64>) -> Process {
        let life = Life {
            pid,
            start_ticks: started_at_ms / 10,
        };
        Process {
            database: "n1".to_owned(),
            life,
            started_at_ms,
            ended_at_ms,
            digest: None,
        }
    }

    #[test]
    fn a_roll_and_a_rollback_are_two_passes() {
        let facts = facts(&[
            (1, "n1", "Staged"),
            (9, "n1", "Taken"),
            (10, "n1", "Draining"),
            (20, "n1", "Restarting"),
            (30, "n1", "Failed"),
            (40, "n1", "RollingBack"),
            (41, "n1", "Draining"),
            (60, "n1", "RolledBack"),
            (70, "n2", "Updated"),
        ]);
        let passes = passes(&facts);
        assert_eq!(passes.len(), 2, "{passes:?}");
        assert_eq!(
            (passes[0].begin_ms, passes[0].end_ms, passes[0].last_step()),
            (9, Some(30), "Failed")
        );
        assert_eq!(
            (passes[1].begin_ms, passes[1].end_ms, passes[1].last_step()),
            (40, Some(60), "RolledBack")
        );
        assert_eq!(passes[1].duration_ms("Draining"), Some(19));
        assert!(passes[1].is_rollback() && !passes[0].is_rollback());
    }

    #[test]
    fn staging_is_timed_for_each_node_that_staged() {
        let facts = facts(&[
            (5, "n2", "Staging"),
            (6, "n1", "Staging"),
            (30, "n2", "Staged"),
            (40, "n2", "Taken"),
            (50, "n3", "Updated"),
        ]);
        assert_eq!(staging_ms(&facts), [("n2".to_owned(), 25)]);
    }

    #[test]
    fn a_node_taken_again_begins_a_new_pass() {
        let facts = facts(&[
            (1, "n1", "Draining"),
            (2, "n1", "BackingUp"),
            (3, "n1", "Draining"),
        ]);
        let passes = passes(&facts);
        assert_eq!(passes.len(), 2, "{passes:?}");
        assert_eq!((passes[0].end_ms, passes[1].end_ms), (Some(3), None));
    }

    #[test]
    fn a_node_given_back_ends_its_pass() {
        let facts = facts(&[
            (1, "n1", "Taken"),
            (2, "n1", "Draining"),
            (5, "n1", "Staged"),
        ]);
        let passes = passes(&facts);
        assert_eq!(passes.len(), 1, "{passes:?}");
        assert_eq!(
            (passes[0].end_ms, passes[0].last_step()),
            (Some(5), "Staged")
        );
    }

    #[test]
    fn own_time_leaves_out_what_is_the_databases() {
        let facts = facts(&[
            (500, "n2", "Draining"),
            (900, "n2", "Updated"),
            (950, "n1", "Taken"),
            (1_000, "n1", "Draining"),
            (2_000, "n1", "Flushing"),
            (2_001, "n1", "BackingUp"),
            (2_010, "n1", "Swapping"),
            (2_015, "n1", "Restarting"),
            (4_000, "n1", "Verifying"),
            (9_000, "n1", "Updated"),
        ]);
        let seen = Record {
            processes: vec![process(1, 0, Some(3_900)), process(2, 3_930, None)],
            ..Record::default()
        };
        let passes = passes(&facts);
        let own = own_time(&passes, 1, &seen);
        assert_eq!(
            own,
            Some(Own {
                take_ms: 100,
                files_ms: 15,
                gap_ms: 30,
                notice_ms: 70
            })
        );
        assert_eq!(own_time(&passes, 0, &seen), None, "n2 was not restarted");
    }
}

//! Who held a slot when, as the journal tells it.

use std::collections::BTreeMap;

use crate::demo::tape::Tape;
use crate::journal::fact::Fact;

/// A slot from its take until its host's answer, or until the node is removed; `until_ms` is `u64::MAX` when it was not freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub node: String,
    pub from: (u64, u32),
    pub until: (u64, u32),
    pub from_ms: u64,
    pub until_ms: u64,
    /// It served when it was taken.
    pub served: bool,
}

pub fn held(tape: &Tape) -> Vec<Held> {
    let mut done = Vec::new();
    let mut open: BTreeMap<String, Held> = BTreeMap::new();
    for written in tape.all_facts() {
        let place = (written.index, written.ordinal);
        match &written.fact {
            Fact::Taken {
                node,
                first: true,
                evidence,
                ..
            } => {
                let own = evidence.iter().find(|seen| seen.node == *node);
                let held = Held {
                    node: node.to_string(),
                    from: place,
                    until: (u64::MAX, u32::MAX),
                    from_ms: written.at_ms,
                    until_ms: u64::MAX,
                    served: own.is_some_and(|own| own.healthy),
                };
                open.insert(node.to_string(), held);
            }
            // Whoever is removed holds nothing any more.
            Fact::SlotFreed { node, .. } | Fact::NodeRemoved { node } => {
                if let Some(held) = open.remove(node.as_str()) {
                    done.push(Held {
                        until: place,
                        until_ms: written.at_ms,
                        ..held
                    });
                }
            }
            _ => {}
        }
    }
    done.extend(open.into_values());
    done.sort_by_key(|held| held.from);
    done
}

/// Whether `node` held a slot just before the entry at `place`.
pub fn holds(held: &[Held], node: &str, place: (u64, u32)) -> bool {
    held.iter()
        .any(|held| held.node == node && held.from < place && held.until >= place)
}

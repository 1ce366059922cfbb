//! What the build of the next cluster version adds, so that the tests have one: an entry kind, a field of
//! an older entry, and a field in two kinds of row. No release is built with it.

use crate::base::version::NEXT;
use crate::journal::fact::Fact;
use crate::machine::apply::Context;
use crate::machine::command::{Annotation, Command};
use crate::machine::refusal::Refusal;
use crate::machine::state::{Reply, State};

/// The new entry kind: a note of an operator's in a node's row.
pub fn annotate(
    state: &mut State,
    context: &mut Context<'_>,
    annotation: &Annotation,
) -> Result<Reply, Refusal> {
    let Annotation { node, note } = annotation;
    state.node_mut(node)?.note = Some(note.clone());
    context.facts.push(Fact::Annotated { node: node.clone() });
    Ok(Reply::Done)
}

/// The new field of an older entry, kept in the head's row. At the older version it means nothing, whoever
/// wrote it: members that do not know it would compute another state.
pub fn beat(state: &mut State, context: &mut Context<'_>, command: &Command) {
    if let Command::Tick {
        beat: Some(beat), ..
    } = command
        && state.head.version >= NEXT
        && state.head.beats.replace(*beat).is_none()
    {
        context.facts.push(Fact::Beating { first: *beat });
    }
}

//! Entries of the log: whatever can be read is applied, panics never, and leaves a state in which all holds.

use aegis_updates::access::principal::Principal;
use aegis_updates::base::ids::PlanId;
use aegis_updates::control::machine::{decode_submission, encode_submission};
use aegis_updates::machine::apply::apply;
use aegis_updates::machine::check::check;
use aegis_updates::machine::command::Command;
use aegis_updates::machine::image;
use aegis_updates::machine::refusal::Refusal;
use aegis_updates::machine::state::{Reply, State};
use aegis_updates::machine::submission::{Position, Submission};
use serde_json::Value;

use crate::corpus::{Moment, moments};
use crate::runner::{Shape, Target, Verdict};

/// A silence that no plan is judged for: what is refused after it changes nothing at all.
const SHORT_MS: u64 = 1_000;

#[test]
fn entries() {
    let moments = moments();
    let seed = |moment: &Moment| encode_submission(&moment.submission).expect("it is encoded");
    let target = Target {
        name: "entries",
        seeds: moments.iter().map(seed).collect(),
        shape: Some(Shape {
            read: &|bytes| serde_json::to_value(decode_submission(bytes).ok()?).ok(),
            write: &|value: Value| encode_submission(&serde_json::from_value(value).ok()?).ok(),
        }),
        inputs: 10_000,
        judge: &|base, bytes| judge(&moments[base], bytes),
    };
    target.run();
}

fn judge(moment: &Moment, bytes: &[u8]) -> Result<Verdict, String> {
    let Ok(submission) = decode_submission(bytes) else {
        return Ok(Verdict::Unread);
    };
    let again = encode_submission(&submission).map_err(|error| error.to_string())?;
    if decode_submission(&again).as_ref() != Ok(&submission) {
        return Err("it is read otherwise from what it writes".to_owned());
    }
    let mut state = moment.state.clone();
    let outcome = apply(&mut state, moment.position, &submission);
    same_again(&outcome.result)?;
    let violations = check(&state);
    if !violations.is_empty() {
        return Err(format!("{violations:?} after {submission:?}"));
    }
    image::changed(&mut state)?;
    restored(&state)?;
    let Err(refusal) = outcome.result else {
        return aftermath(state, moment).map(|()| Verdict::Accepted);
    };
    let silent = submission.elapsed_ms <= SHORT_MS && !matches!(refusal, Refusal::Internal { .. });
    if silent && effects(&state)? != effects(&moment.state)? {
        return Err(format!("{refusal:?} changed something: {submission:?}"));
    }
    Ok(Verdict::Refused)
}

/// What comes next in any cluster's life, on what the entry left.
fn aftermath(mut state: State, moment: &Moment) -> Result<(), String> {
    let own = &moment.submission;
    let plan = state.plans.keys().next_back().copied().unwrap_or(PlanId(1));
    let lost = state.nodes.keys().cloned().collect();
    let revision = None;
    let commands = [
        own.command.clone(),
        Command::Execute { plan, revision },
        Command::Tick { previous_ms: 1 },
        Command::LoseQuorum { plan, lost },
        Command::Tick { previous_ms: 1 },
        Command::Rollback { plan, nodes: None },
        Command::OpenTerm {
            idle_ms: Some(60_000),
        },
    ];
    for (later, command) in commands.into_iter().enumerate() {
        let position = Position {
            index: moment.position.index.saturating_add(later as u64 + 1),
            ..moment.position
        };
        let submission = Submission {
            elapsed_ms: 1_000,
            actor: Principal::Member {
                member: position.leader,
            },
            request: None,
            command,
            ..own.clone()
        };
        apply(&mut state, position, &submission);
        let violations = check(&state);
        if !violations.is_empty() {
            return Err(format!("{violations:?} after {submission:?} later"));
        }
    }
    Ok(())
}

fn effects(state: &State) -> Result<impl PartialEq, String> {
    let mut state = state.clone();
    // Entered by the entry, whatever becomes of it.
    state.head.membership.joint = false;
    image::digest_of_effects(&state)
}

fn same_again(result: &Result<Reply, Refusal>) -> Result<(), String> {
    let bytes = rmp_serde::to_vec_named(result).map_err(|error| error.to_string())?;
    match rmp_serde::from_slice::<Result<Reply, Refusal>>(&bytes) {
        Ok(read) if read == *result => Ok(()),
        other => Err(format!("{result:?} is read as {other:?}")),
    }
}

/// What is written down is the state.
fn restored(state: &State) -> Result<(), String> {
    let read = image::restore(image::all(state)?.into_iter())?;
    match image::digest(&read)? == image::digest(state)? {
        true => Ok(()),
        false => Err("the rows give another state".to_owned()),
    }
}

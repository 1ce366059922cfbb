//! The refusals of the leader's own proposals, overtaken by what was committed before them. Each entry is
//! applied by a real member.

use aegis_updates::base::ids::MemberId;
use aegis_updates::control::machine::encode_submission;
use aegis_updates::machine::command::{Command, Take};

use super::rig::{ME, Rig};
use super::scene::submission;

pub type Case = (Rig, Vec<u8>);

fn entry(member: MemberId, command: Command) -> Vec<u8> {
    encode_submission(&submission(member, command)).unwrap()
}

pub async fn term_not_open() -> Case {
    let tick = entry(ME, Command::Tick { previous_ms: 1 });
    (Rig::unopened().await, tick)
}

pub async fn term_already_open() -> Case {
    let open = entry(ME, Command::OpenTerm { idle_ms: Some(1) });
    (Rig::of(1).await, open)
}

pub async fn not_the_leader() -> Case {
    let tick = entry(MemberId(2), Command::Tick { previous_ms: 1 });
    (Rig::of(3).await, tick)
}

pub async fn stale_decision() -> Case {
    let rig = Rig::staged().await;
    let take = rig.take(2, &[1, 2, 3]);
    let take = Take {
        revision: take.revision + 1,
        ..take
    };
    (rig, entry(ME, Command::Take(take)))
}

pub async fn gate_shut() -> Case {
    let rig = Rig::staged().await;
    // Nobody looked at the third node.
    let take = rig.take(2, &[1, 2]);
    (rig, entry(ME, Command::Take(take)))
}

pub async fn membership_not_open() -> Case {
    let close = entry(ME, Command::CloseMembership { done: true });
    (Rig::of(1).await, close)
}

/// An entry that no version can read.
pub async fn internal() -> Case {
    (Rig::of(1).await, Vec::new())
}

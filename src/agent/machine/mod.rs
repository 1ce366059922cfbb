//! `advance`: one host's machine. Told what the log says, what was seen and what came of its actions, it says
//! what to do next on this host. Pure: no clock, no disk, no socket, no chance, no runtime; the driver
//! beside it runs the actions.

pub mod input;

pub mod action;

pub mod ledger;

pub mod memory;

mod turn;

mod intake;

mod sight;

mod reports;

mod work;

mod staging;

mod approach;

mod boundary;

mod proof;

mod putting_back;

mod alone;

pub use action::{Act, Action, Source};
pub use input::{Applied, Done, Failure, FailureKind, Gave, Input, Look, Now, Process};
pub use ledger::{Alone, Ask, Flight, Known, Ledger, Owner, Phase, Work};
pub use memory::{Host, Memory};

/// One step of a host's machine: takes an input in and says what to do, in this order.
///
/// - `Input::Restarted` comes first in the life of every daemon, when the executor's lock is held.
/// - The ledger must be on disk before anything after `Action::Persist` is done.
/// - At most one `Action::Run` is unanswered at any time, over all calls.
/// - Nothing is queued: an input may be said again, and `Applied`, `Look`, `Contact` and `Tick` should be.
/// - Nothing here panics, whatever the ledger holds.
pub fn advance(host: &mut Host, input: Input, now: Now) -> Vec<Action> {
    turn::run(host, input, now)
}

#[cfg(test)]
mod tests;

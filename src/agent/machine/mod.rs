//! The words of one host's machine, `advance(host: &mut Host, input: Input, now: Now) -> Vec<Action>`: told what
//! the log says, what was seen and what came of its actions, it says what to do next on this host. Pure:
//! no clock, no disk, no socket, no chance, no runtime; the driver beside it runs the actions.

pub mod input;

pub mod action;

pub mod ledger;

pub mod memory;

pub use action::{Act, Action, Source};
pub use input::{Applied, Done, Failure, FailureKind, Gave, Input, Look, Now, Process};
pub use ledger::{Alone, Ask, Flight, Known, Ledger, Owner, Phase, Work};
pub use memory::{Host, Memory};

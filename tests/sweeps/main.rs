//! Systematic sweeps: one crash after the other, at every place where one could matter, and after each
//! the same questions: is the installed file wholly the old or the new one, does the plan come to its
//! end, do the members agree. A share of each runs always, the whole on demand.
//!
//! `LABELS=all` or `LABELS=swap.before,…` chooses fail points; `SYSCALLS=all` sweeps every system call; `CUTS=n`
//! power cuts are ignored tests of their own.

#[path = "../support/mod.rs"]
mod support;

// It is the daemons' own; a part of it is used here.
#[allow(dead_code)]
#[path = "../daemons/stage.rs"]
mod stage;

mod one_node;
mod tally;

mod awaits;
mod damage;
mod full_disk;
mod job;

mod order;
mod syscalls;

mod power;

#[cfg(feature = "sabotage")]
mod fail_points;

#[cfg(feature = "sabotage")]
mod damaged_host;

#[cfg(feature = "sabotage")]
mod member_disk;

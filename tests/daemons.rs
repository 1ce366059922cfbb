//! Real daemons beside real databases, all processes of their own, looked at from outside. The cluster
//! and the eyes are the demo's; timings too, which are short and printed: election 500 to 1000 ms, a
//! quorum grace of 6 s.

mod support;

#[path = "daemons/stage.rs"]
mod stage;

#[path = "daemons/roll.rs"]
mod roll;

#[path = "daemons/bystanders.rs"]
mod bystanders;

#[path = "daemons/callers.rs"]
mod callers;
#[path = "daemons/rolls.rs"]
mod rolls;

#[path = "daemons/databases_lost.rs"]
mod databases_lost;
#[path = "daemons/given_back.rs"]
mod given_back;
#[path = "daemons/quorum_loss.rs"]
mod quorum_loss;

#[path = "daemons/library.rs"]
mod library;

#[path = "daemons/two_builds/mod.rs"]
mod two_builds;

#[path = "daemons/expectation.rs"]
mod expectation;
#[path = "daemons/matrix.rs"]
mod matrix;

#[path = "daemons/measure/mod.rs"]
mod measure;
#[path = "daemons/rounds/mod.rs"]
mod rounds;

#[path = "daemons/namespaces/mod.rs"]
mod namespaces;

//! What single entries do to a cluster that is well, one thing spoiled at a time: `rig` forms it and rolls it to where
//! a test begins. How entries follow each other is the simulation's.

mod rig;

mod takes;

mod begins;

mod reports;

mod requests;

mod steering;

mod leader;

mod members;

mod entries;

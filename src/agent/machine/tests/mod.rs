//! Scenarios of one host against a model of its database, disk and log: `rig` is the model, each other file a
//! family of scenarios. Time moves only when a scenario says so.

mod rig;

mod rolls;

mod begins;

mod looks;

mod waits;

mod restart;

mod proof;

mod putting_back;

mod crashes;

mod alone;

mod storms;

mod reports;

//! What the leader decides, one table a file: `table` sets up a cluster that is well, each test spoils one thing.
//! How decisions follow each other is the simulation's.

mod table;

mod begin;

mod gates;

mod late;

mod order;

mod put_back;

mod quorum;

mod waits;

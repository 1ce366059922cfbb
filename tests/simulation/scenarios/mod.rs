//! Stories with a name and a known end: no chance in what goes wrong, only in latencies.

mod change_of_leader;

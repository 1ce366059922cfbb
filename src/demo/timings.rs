//! How short the demo's waits are. An operator's cluster keeps the defaults; here everybody watches.

use std::fmt;

use crate::base::duration::Millis;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    pub heartbeat: Millis,
    pub election_min: Millis,
    pub election_max: Millis,
    pub quorum_loss_grace: Millis,
    pub drain_grace: Millis,
    pub ready_settle: Millis,
    pub verify: Millis,
    pub rejoin: Millis,
    pub soak: Millis,
    pub health_grace: Millis,
    /// Between the death of a daemon and its restart by the demo.
    pub daemon_down: Millis,
    /// Of the databases among each other.
    pub database_heartbeat: Millis,
}

impl Timings {
    pub const DEMO: Self = Self {
        heartbeat: Millis(100),
        election_min: Millis(500),
        election_max: Millis(1_000),
        quorum_loss_grace: Millis(6_000),
        drain_grace: Millis(800),
        ready_settle: Millis(600),
        verify: Millis(8_000),
        rejoin: Millis(20_000),
        soak: Millis(1_000),
        health_grace: Millis(5_000),
        daemon_down: Millis(5_000),
        database_heartbeat: Millis(300),
    };
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            heartbeat,
            election_min,
            election_max,
            quorum_loss_grace,
            drain_grace,
            ready_settle,
            verify,
            rejoin,
            soak,
            health_grace,
            daemon_down,
            database_heartbeat,
        } = self;
        write!(
            f,
            "set short for the demo: heartbeat {heartbeat}, election {election_min} to {election_max}, \
             quorum_loss_grace {quorum_loss_grace}, drain_grace {drain_grace}, ready_settle {ready_settle}, \
             verify {verify}, rejoin {rejoin}, soak {soak}, health_grace {health_grace}; \
             a killed daemon stays down for {daemon_down}; databases greet each other each {database_heartbeat}"
        )
    }
}

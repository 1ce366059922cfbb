//! What tests with clusters in one process share: calls, a host without a database, waiting for what becomes true.

use std::time::Duration;

use aegis_updates::access::principal::{Principal, Role};
use aegis_updates::access::token::Grant;
use aegis_updates::base::digest::Digest;
use aegis_updates::control::peers::wire::Look;
use aegis_updates::control::service::Call;
use aegis_updates::control::station::Beside;
use aegis_updates::machine::command::Command;
use aegis_updates_raft::member::Timing;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub const CLUSTER: &str = "paper";
pub const LATE: Duration = Duration::from_secs(30);
/// Slower than production: the tests share two cores with whatever else runs.
pub const TIMING: Timing = Timing {
    heartbeat_ms: 100,
    election_min_ms: 500,
    election_max_ms: 1_000,
};

pub struct NoHost;

impl Beside for NoHost {
    fn look(&self, _: String, _: Vec<String>) -> BoxFuture<'_, Look> {
        Box::pin(async {
            Look {
                disk_free_bytes: Some(1),
                artifact: Some(Ok(1)),
            }
        })
    }

    fn database_ready(&self) -> bool {
        true
    }
}

pub fn client(command: Command) -> Call {
    Call {
        actor: Principal::Token {
            id: "test".to_owned(),
            role: Role::Admin,
        },
        reason: None,
        request: None,
        command,
    }
}

/// A write that leaves a trace under its name.
pub fn token(name: &str) -> Command {
    Command::CreateToken {
        id: name.to_owned(),
        hash: Digest::of(name.as_bytes()),
        grants: Grant::Role(Role::Viewer),
        ttl_ms: 60_000,
    }
}

/// Looks again and again, because some things become true without an event.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LATE;
    while !is_so().await {
        assert!(Instant::now() < end, "not within {LATE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

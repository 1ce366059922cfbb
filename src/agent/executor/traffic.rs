//! Acts on what reaches the database: draining, waiting for connections, flushing, and what its peers see.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::Executor;
use super::failures::{of_adapter, of_process, timed_out};
use crate::agent::adapter::{Peer, RejoinEvidence};
use crate::agent::machine::{Failure, Gave};
use crate::base::duration::Millis;

/// The kernel tells nobody that a connection has ended.
const CONNECTIONS_LOOK: Duration = Duration::from_millis(100);

impl Executor {
    pub(super) async fn drain(&self, within: Millis) -> Result<Gave, Failure> {
        let peers = self.link.peers();
        timeout(within.as_duration(), self.adapter.drain(&peers))
            .await
            .map_err(|_| timed_out("draining", within))?
            .map_err(of_adapter)?;
        Ok(Gave::Nothing)
    }

    pub(super) async fn undrain(&self) -> Result<Gave, Failure> {
        self.adapter.undrain().await.map_err(of_adapter)?;
        Ok(Gave::Nothing)
    }

    /// Until nobody is connected. A database that runs no more has no connections.
    pub(super) async fn wait_drained(&self, within: Millis) -> Result<Gave, Failure> {
        let end = Instant::now() + within.as_duration();
        loop {
            let connected = self.process.connections().await.map_err(of_process)?;
            if connected == 0 {
                return Ok(Gave::Nothing);
            }
            if Instant::now() + CONNECTIONS_LOOK >= end {
                let doing = format!("waiting for {connected} connections to end");
                return Err(timed_out(&doing, within));
            }
            sleep(CONNECTIONS_LOOK).await;
        }
    }

    pub(super) async fn flush(&self, within: Millis) -> Result<Gave, Failure> {
        timeout(within.as_duration(), self.adapter.flush())
            .await
            .map_err(|_| timed_out("flushing", within))?
            .map_err(of_adapter)?;
        Ok(Gave::Nothing)
    }

    /// What every other healthy database says of this node. One that gives no answer is not healthy.
    pub(super) async fn ask_peers(&self, within: Millis) -> Result<Gave, Failure> {
        if self.adapter.rejoin_evidence() == RejoinEvidence::Itself {
            return Ok(Gave::Peers(BTreeMap::new()));
        }
        let peers = self.link.peers();
        let asked = join_all(peers.iter().map(|peer| self.ask_peer(peer)));
        let answers = timeout(within.as_duration(), asked)
            .await
            .map_err(|_| timed_out("asking the other databases", within))?;
        Ok(Gave::Peers(answers.into_iter().flatten().collect()))
    }

    async fn ask_peer(&self, peer: &Peer) -> Option<(String, Option<u64>)> {
        if !self.adapter.health_of(peer).await?.healthy {
            return None;
        }
        let seen = self.adapter.peer_view(peer).await.ok()?;
        Some((peer.name.clone(), seen.map(|seen| seen.last_seen_ms)))
    }
}

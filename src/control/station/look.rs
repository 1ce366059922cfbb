//! One host's look at an artifact and its disk, for a preview that another member makes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Station;
use crate::base::ids::{MemberId, NodeName};
use crate::control::peers::client;
use crate::control::peers::wire::{self, Look, LookAsk};
use crate::machine::state::State;

/// A preview answers a waiting person.
const LOOK_TIMEOUT: Duration = Duration::from_secs(3);

impl Station {
    /// What this host sees of the artifact.
    pub async fn look(&self, ask: LookAsk) -> Look {
        let unseen = Look {
            disk_free_bytes: None,
            artifact: None,
        };
        let origins = self.replica.origins();
        timeout(LOOK_TIMEOUT, self.beside.look(ask.url, origins))
            .await
            .unwrap_or(unseen)
    }

    /// What every host sees of it; a host that does not answer is left out.
    pub(super) async fn look_everywhere(
        &self,
        state: &State,
        url: &str,
    ) -> BTreeMap<NodeName, Look> {
        let mut looks = JoinSet::new();
        let me = self.replica.me();
        let own = state.node_of_member(me).map(|node| node.name.clone());
        for node in state.nodes.values().filter(|node| node.member != me) {
            let peers = self.replica.member().peer_client();
            let (name, member) = (node.name.clone(), node.member);
            let ask = LookAsk {
                url: url.to_owned(),
            };
            looks.spawn(async move {
                let looked = ask_look(&peers, member, &ask).await;
                (name, looked)
            });
        }
        let mut seen = BTreeMap::new();
        if let Some(own) = own {
            let url = url.to_owned();
            seen.insert(own, self.look(LookAsk { url }).await);
        }
        while let Some(looked) = looks.join_next().await {
            if let Ok((name, Some(look))) = looked {
                seen.insert(name, look);
            }
        }
        seen
    }
}

async fn ask_look(
    peers: &aegis_updates_raft::network::PeerClient,
    member: MemberId,
    ask: &LookAsk,
) -> Option<Look> {
    client::ask(peers, member, wire::LOOK, ask, LOOK_TIMEOUT)
        .await
        .ok()
}
